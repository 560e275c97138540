extension BitNetModel {
    /// A number that tells this model's keys and values from any other model's: of the
    /// configuration, the tokenizer's size, and a sample of the weights. The same for every kernel
    /// set, layout and file name. Cheap: it reads two rows of each matrix.
    ///
    /// Saved sessions hold it: another value makes them unreadable.
    package var fingerprint: UInt64 {
        var checksum = Checksum()
        for field in configuration.fingerprintFields {
            checksum.update("\(field.name) = \(field.value)")
        }
        checksum.update(UInt64(workingTokenizer?.vocabularySize ?? 0))
        for (layer, block) in transformer.blocks.enumerated() {
            for part in LinearPart.allCases {
                checksum.update(block.fullScale(of: part).values)
                let rows = block.fullRowCount(of: part)
                for row in part.sampledRows(layer: layer, rows: rows) {
                    let trits = block.fullTrits(ofRow: row, of: part)
                    checksum.update(trits.map { UInt8(bitPattern: $0) })
                }
            }
        }
        for matrix in [transformer.embedding, transformer.lmHead] {
            for step in 0..<8 { checksum.update(matrix.row((matrix.rows - 1) * step / 7)) }
        }
        return checksum.value
    }
}

extension ModelConfiguration {
    /// What the graph depends on, spelled as saved sessions have it, whatever properties are called
    /// in this version. The name does not count.
    fileprivate var fingerprintFields: [(name: String, value: String)] {
        [
            ("architecture", architecture.rawValue), ("vocabularySize", "\(vocabularySize)"),
            ("hiddenSize", "\(hiddenSize)"), ("feedForwardSize", "\(feedForwardSize)"),
            ("layerCount", "\(layerCount)"), ("headCount", "\(headCount)"),
            ("keyValueHeadCount", "\(keyValueHeadCount)"), ("headDimension", "\(headDimension)"),
            ("contextLength", "\(contextLength)"), ("normEpsilon", "\(normEpsilon)"),
            ("linearNormEpsilon", "\(linearNormEpsilon)"), ("ropeBase", "\(ropeBase)"),
            ("activation", activation.fingerprintName), ("hasLinearNorms", "\(hasLinearNorms)"),
            ("isHeadTied", "\(isLMHeadTied)"), ("scaleDirection", scaleDirection.rawValue),
            ("quantizesMasters", "\(quantizesMasters)"), ("endTokens", "\(endTokens)"),
            ("beginToken", optional(beginToken)), ("ropeScaling", optional(ropeScaling)),
            ("queryScalar", optional(queryScalar)),
            ("slidingAttention", optional(slidingAttention)),
        ]
    }

    private func optional(_ value: Int?) -> String { value.map { "Optional(\($0))" } ?? "nil" }

    private func optional(_ value: Float?) -> String { value.map { "Optional(\($0))" } ?? "nil" }

    private func optional(_ value: RopeScaling?) -> String {
        guard let value else { return "nil" }
        return "Optional(BitNetKit.RopeScaling(factor: \(value.factor), "
            + "lowFrequencyFactor: \(value.lowFrequencyFactor), "
            + "highFrequencyFactor: \(value.highFrequencyFactor), "
            + "originalContextLength: \(value.originalContextLength)))"
    }

    private func optional(_ value: SlidingAttention?) -> String {
        guard let value else { return "nil" }
        return "Optional(BitNetKit.SlidingAttention(window: \(value.window), "
            + "ropeBase: \(value.ropeBase), layers: \(value.layers)))"
    }
}

extension Activation {
    fileprivate var fingerprintName: String {
        switch self {
        case .squaredReLU: "squaredReLU"
        case .silu: "silu"
        case .gelu: "gelu"
        }
    }
}
