/// One tensor of a checkpoint file: what it is called, how it is stored, and where its bytes are.
package struct CheckpointTensor: Sendable {
    /// The name in the file.
    package let name: String
    /// How the elements are stored.
    package let type: ElementType
    /// Sizes, outermost first: `[rows, columns]` for a matrix.
    ///
    /// For `packedTernary` this is the shape of the bytes, `[rows / 4, columns]`.
    package let shape: [Int]
    /// The bytes, exactly as many as type and shape need.
    package let region: FileRegion

    /// Describes a tensor; `malformedFile` where the size of `region` is not that of type and
    /// shape.
    package init(
        name: String, type: ElementType, shape: [Int], region: FileRegion
    ) throws(BitNetError) {
        guard let size = type.storedByteCount(shape: shape) else {
            throw .malformedFile(
                path: region.path,
                detail: "tensor \(name.quoted): \(type.rawValue) cannot have the shape \(shape)")
        }
        guard size == region.count else {
            throw .malformedFile(
                path: region.path,
                detail: "tensor \(name.quoted): \(type.rawValue) \(shape) takes \(size) bytes, "
                    + "the file has \(region.count)")
        }
        self.name = name
        self.type = type
        self.shape = shape
        self.region = region
    }

    /// The most tensors that a file may have: what is known of one is several times as large as its
    /// entry. The largest published models have some 90,000.
    static let mostInFile = 1 << 17

    /// Refuses a file with more tensors.
    static func check(count: Int, path: String) throws(BitNetError) {
        guard count <= mostInFile else {
            throw .malformedFile(
                path: path, detail: "\(count) tensors, more than the \(mostInFile) that are read")
        }
    }

    /// Describes a tensor in memory.
    package init(
        name: String, type: ElementType, shape: [Int], region: ByteRegion
    ) throws(BitNetError) {
        try self.init(name: name, type: type, shape: shape, region: FileRegion(region))
    }

    /// Number of elements (1 for a scalar), which is a number of bytes for `packedTernary`.
    package var elementCount: Int {
        // Cannot overflow: storedByteCount has multiplied the same numbers with checks.
        shape.reduce(1, *)
    }
}

extension ElementType {
    /// Bytes after the last block: the scale of `i2_s` (float32) and its 28 unused bytes.
    var storageTrailer: Int { self == .i2_s ? 32 : 0 }

    /// Bytes that a tensor of this type and shape takes in a file.
    ///
    /// Nil where a size is negative, a row is not a whole number of blocks (`i2_s`: the tensor), rows
    /// that are interleaved are not all there, or the number does not fit in `Int`.
    func storedByteCount(shape: [Int]) -> Int? {
        var count = 1
        var hasZero = false
        for size in shape {
            guard size >= 0 else { return nil }
            // Multiplied without the zeros, so that elementCount cannot overflow on the way to 0.
            if size == 0 { hasZero = true }
            let (product, overflow) = count.multipliedReportingOverflow(by: max(1, size))
            guard !overflow else { return nil }
            count = product
        }
        if hasZero { count = 0 }
        let block = block
        let blocked = self == .i2_s ? count : shape.last ?? 1
        guard blocked % block.elements == 0 else { return nil }
        let blocks = count / block.elements
        let (bytes, overflow) = blocks.multipliedReportingOverflow(by: block.bytes)
        // No row has fewer columns than a scale has bytes, so that this cannot overflow.
        let rows = count / max(1, shape.last ?? 1)
        guard rows % interleavedRows == 0 else { return nil }
        let rest = rows * rowBytes + storageTrailer
        let (total, overflowed) = bytes.addingReportingOverflow(rest)
        return overflow || overflowed ? nil : total
    }
}
