extension Transformer {
    /// What a loaded model ends with: the arrangement that leaves out zeros, where that pays, in one
    /// piece of memory.
    package mutating func arrangeWeights(_ sparsity: Sparsity) throws(BitNetError) {
        try skipZeros(sparsity)
        joinWeights()
    }

    /// Moves the packed weights of all layers into one piece of memory, in the order in which a token
    /// reads them. All of it lies in huge pages then, small matrices too, and what kernels ask for
    /// behind the end of a matrix is the beginning of the next one. One matrix at a time is in memory
    /// twice. Where the system does not give as much in one piece, they stay as they are.
    private mutating func joinWeights() {
        let sizes = blocks.flatMap { $0.linearLayers.map { $0.weight.byteCount.paddedToCacheLine } }
        guard
            let memory = try? AlignedBuffer<UInt8>(
                count: sizes.reduce(0, +), purpose: "packed weights")
        else { return }
        var start = 0
        for layer in blocks.indices {
            for part in LinearPart.allCases {
                let old = blocks[layer][part]
                let range = start..<start + old.weight.byteCount
                guard
                    let weight = try? TernaryMatrix(
                        copying: old.weight, to: AlignedBuffer(range, of: memory),
                        pool: compute.pool)
                else { return }
                blocks[layer][part] = BitLinear(weight: weight, inputNorm: old.inputNorm)
                start = range.upperBound.paddedToCacheLine
            }
        }
    }
}
