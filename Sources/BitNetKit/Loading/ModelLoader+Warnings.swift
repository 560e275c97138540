/// Why a scale looks as if it were meant the other way.
enum ScaleDoubt: Sendable, Hashable {
    /// Weights have a magnitude that no known model has.
    case largeWeights(tensor: String, magnitude: Float, isGGUF: Bool)
    /// It divides, and looks like one that multiplies.
    case smallDivisor(tensor: String, stored: Float)
}

extension ScaleDoubt: CustomStringConvertible {
    /// What was found, and what to do.
    var description: String {
        switch self {
        case .largeWeights(let tensor, let magnitude, let isGGUF):
            "the weights of \(tensor.quoted) have the magnitude \(magnitude), which no known model "
                + "has: its scale may be one that divides; "
                + (isGGUF
                    ? "convert the original checkpoint again with `bitnet convert`"
                    : "check quantization_config.linear_class in config.json")
        case .smallDivisor(let tensor, let stored):
            "\(tensor.quoted) is divided by its scale \(stored), which looks like one that "
                + "multiplies; check that quantization_config.linear_class in config.json is not "
                + "missing"
        }
    }
}

extension ModelLoader {
    /// Scales that multiply are mean magnitudes of weights, at most a few; those that divide are the
    /// inverse, ten or more. A scale that is on the wrong side of both was meant the other way.
    private static let largestMean: Float = 6

    /// Warns, once a model, of scales that look as if they were applied in the wrong direction.
    mutating func note(largestScale largest: Float, of source: TernarySource) throws(BitNetError) {
        guard scaleDoubt == nil else { return }
        let name = source.tensor.name
        if largest > ModelLoader.largestMean {
            note(.largeWeights(tensor: name, magnitude: largest, isGGUF: names.isGGUF))
        } else if source.tensor.type == .packedTernary, source.direction == .divide,
            let stored = try source.storedScales().min(), stored > 0,
            stored < ModelLoader.largestMean
        {
            note(.smallDivisor(tensor: name, stored: stored))
        }
    }

    private mutating func note(_ doubt: ScaleDoubt) {
        scaleDoubt = doubt
        warnings.append("\(doubt)")
    }

    /// Warns of what config.json says twice, and not the same.
    mutating func noteConfiguration() throws(BitNetError) {
        guard case .huggingFace(let folder) = checkpoint.metadata else { return }
        let reader = try ConfigReader(folder.config, path: folder.path + "/config.json")
        warnings += try reader.activationWarnings()
        try noteLMHead(reader)
    }

    /// Warns of an LM head that is used although config.json says that the embedding is the head.
    private mutating func noteLMHead(_ reader: ConfigReader) throws(BitNetError) {
        guard !configuration.isLMHeadTied, try reader.isLMHeadTied() else { return }
        warnings.append(
            "config.json says that the embedding is the LM head, but '\(names.lmHead)' is another "
                + "matrix: it is used, as transformers 5 does; set tie_word_embeddings to false "
                + "there, or remove the tensor if it is not meant")
    }
}
