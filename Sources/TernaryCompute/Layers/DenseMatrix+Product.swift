extension DenseMatrix {
    /// `W x`, decoded to float32 and added up in the library's fixed order.
    ///
    /// - Parameters:
    ///   - x: `[columns]`.
    ///   - threads: threads that share the rows, 1 to 1024; nil for one per usable core.
    ///   - kernels: the kernel set to use; every one gives the same bits.
    /// - Returns: `[rows]`.
    /// - Throws: `BitNetError.shapeMismatch` when x does not have `columns` elements,
    ///   `.invalidArgument` for another number of threads, `.outOfMemory`.
    public func multiply(
        _ x: [Float], threads: Int? = nil, kernels: KernelSet = .best
    ) throws(BitNetError) -> [Float] {
        guard x.count == columns else {
            throw .shapeMismatch(tensor: "x", expected: [columns], found: [x.count])
        }
        let output = try AlignedBuffer<Float>(count: rows, purpose: "a product")
        let compute = try Compute(threads: threads, kernels: kernels)
        x.withView { compute.multiply(self, $0, into: output.view) }
        return output.array
    }

    /// The same into an array that is there already: no buffer is allocated.
    ///
    /// - Parameters:
    ///   - x: `[columns]`.
    ///   - y: `[rows]`; overwritten.
    ///   - threads: threads that share the rows, 1 to 1024; nil for one per usable core.
    ///   - kernels: the kernel set to use; every one gives the same bits.
    /// - Throws: `BitNetError.shapeMismatch` for arrays of other sizes, `.invalidArgument` for
    ///   another number of threads.
    public func multiply(
        _ x: [Float], into y: inout [Float], threads: Int? = nil, kernels: KernelSet = .best
    ) throws(BitNetError) {
        guard x.count == columns else {
            throw .shapeMismatch(tensor: "x", expected: [columns], found: [x.count])
        }
        guard y.count == rows else {
            throw .shapeMismatch(tensor: "y", expected: [rows], found: [y.count])
        }
        let compute = try Compute(threads: threads, kernels: kernels)
        x.withView { input in
            y.withMutableView { compute.multiply(self, input, into: $0) }
        }
    }
}
