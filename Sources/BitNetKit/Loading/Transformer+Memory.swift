extension Transformer {
    /// What a loaded model ends with: the arrangement that leaves out zeros, where that pays, in one
    /// piece of memory.
    package mutating func arrangeWeights(_ sparsity: Sparsity) throws(BitNetError) {
        try skipZeros(sparsity)
        try joinWeights()
    }

    /// Moves the packed weights of all layers into one piece of memory, in the order in which a token
    /// reads them. All of it lies in huge pages then, small matrices too, and what kernels ask for
    /// behind the end of a matrix is the beginning of the next one. One matrix at a time is in memory
    /// twice.
    private mutating func joinWeights() throws(BitNetError) {
        let sizes = blocks.flatMap { $0.linearLayers.map { $0.weight.byteCount.paddedToCacheLine } }
        let memory = try AlignedBuffer<UInt8>(
            count: sizes.reduce(0, +), purpose: "packed weights")
        var start = 0
        for layer in blocks.indices {
            for part in LinearPart.allCases {
                let old = blocks[layer][part]
                let range = start..<start + old.weight.byteCount
                let weight = try TernaryMatrix(
                    copying: old.weight, to: AlignedBuffer(range, of: memory))
                blocks[layer][part] = BitLinear(weight: weight, inputNorm: old.inputNorm)
                start = range.upperBound.paddedToCacheLine
            }
        }
    }
}
