internal import Foundation

// What a folder's tensors say about what its config.json leaves out.
extension ConfigReader {
    /// Whether the LM head is the embedding. A head that is another matrix than the embedding is
    /// used, whatever the file says of it, as in transformers 5; one that is not there is the
    /// embedding only where it is said to be, or where the class has none.
    func isLMHeadTied(in checkpoint: Checkpoint) throws(BitNetError) -> Bool {
        let names = TensorNames(checkpoint)
        let isTied = try isLMHeadTied()
        guard let head = checkpoint.tensor(named: names.lmHead) else {
            let isBare = isBareModel || checkpoint.tensor(named: "embed_tokens.weight") != nil
            let key = "tie_word_embeddings"
            guard isTied || isBare || config[key] != nil else {
                throw invalid(
                    key,
                    "is missing, which \(defaults.name) takes for false, but there is no "
                        + "\(names.lmHead); set it to true if the embedding is the LM head, else "
                        + "fetch the missing tensor")
            }
            return isTied || isBare
        }
        guard isTied, let embedding = checkpoint.tensor(named: names.embedding) else {
            return false
        }
        return try head.isSameMatrix(as: embedding)
    }

    /// Refuses sizes that are the class's for want of a key and not those of the tensors, so that
    /// the error names the key and not a tensor.
    func check(
        absentSizesOf c: ModelConfiguration, against checkpoint: Checkpoint
    ) throws(BitNetError) {
        let names = TensorNames(checkpoint)
        let embedding = checkpoint.tensor(named: names.embedding)?.shape ?? []
        let query = checkpoint.tensor(named: names.weight(.query, 0))
        let key = checkpoint.tensor(named: names.weight(.key, 0))
        let up = checkpoint.tensor(named: names.weight(.up, 0))
        func rows(_ tensor: CheckpointTensor?) -> Int? {
            tensor?.shape.first.map { tensor?.type == .packedTernary ? $0 * 4 : $0 }
        }
        var layers = 0
        while layers <= min(c.layerCount, checkpoint.tensors.count),
            checkpoint.tensor(named: names.weight(.query, layers)) != nil
        { layers += 1 }
        // Numbers that are too large for a product are refused next, by their names.
        let keysFit = rows(key).map { $0 == c.keyValueHeadCount &* c.headDimension } ?? true
        let found: [(key: String, isTrue: Bool)] = [
            ("vocab_size", embedding.first.map { $0 == c.vocabularySize } ?? true),
            ("hidden_size", embedding.last.map { $0 == c.hiddenSize } ?? true),
            (Self.layerCount, layers == c.layerCount || layers == 0),
            ("intermediate_size", rows(up).map { $0 == c.feedForwardSize } ?? true),
            (
                "num_attention_heads",
                keysFit && rows(query).map { $0 == c.headCount &* c.headDimension } ?? true
            ),
            ("num_key_value_heads", keysFit),
        ]
        for (key, isTrue) in found where !isTrue && config[key] == nil {
            throw invalid(
                key, "is missing, and what \(defaults.name) has for it does not fit the tensors")
        }
    }
}

extension CheckpointTensor {
    /// Whether two float matrices hold the same numbers, whatever their types.
    fileprivate func isSameMatrix(as other: CheckpointTensor) throws(BitNetError) -> Bool {
        guard shape == other.shape, shape.count == 2, type.isFloatLike, other.type.isFloatLike
        else { return false }
        if type == other.type {
            let size = 1 << 20
            for start in stride(from: 0, to: region.count, by: size) {
                let part = start..<min(start + size, region.count)
                let (a, b) = (try region.slice(part).read(), try other.region.slice(part).read())
                guard a.hasSameBytes(as: b) else { return false }
            }
            return true
        }
        let (rows, columns) = (shape[0], shape[1])
        let left = try AlignedBuffer<Float>(count: columns, purpose: name)
        let right = try AlignedBuffer<Float>(count: columns, purpose: other.name)
        for row in 0..<rows {
            try decode(row, into: left.view)
            try other.decode(row, into: right.view)
            for column in 0..<columns where left.view[column] != right.view[column] {
                return false
            }
        }
        return true
    }

    private func decode(_ row: Int, into values: BufferView<Float>) throws(BitNetError) {
        let bytes = region.count / shape[0]
        try region.slice(row * bytes..<(row + 1) * bytes).read().withUnsafeBytes {
            Codec.decode(type, $0, into: values)
        }
    }
}

extension ByteRegion {
    fileprivate func hasSameBytes(as other: ByteRegion) -> Bool {
        withUnsafeBytes { a in
            other.withUnsafeBytes { b in
                guard let first = a.baseAddress, let second = b.baseAddress else { return true }
                return a.count == b.count && memcmp(first, second, a.count) == 0
            }
        }
    }
}
