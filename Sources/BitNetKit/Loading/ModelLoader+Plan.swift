/// One tensor of a GGUF file to be written, and where its values come from.
struct PlannedTensor {
    enum Content {
        case ternary(TernarySource)
        case dense(CheckpointTensor)
        case vector([Float])
    }

    /// The name in a GGUF file.
    let name: String
    /// `[rows, columns]`, or `[count]` of a vector.
    let shape: [Int]
    let content: Content
    /// Heads whose rows the file interleaves, or 0.
    var interleavedHeads = 0
    /// How the source stores a vector, where it has it.
    var sourceType: ElementType?
}

extension ModelLoader {
    /// Every tensor of the model under its GGUF name, without reading matrices.
    mutating func plan() throws(BitNetError) -> [PlannedTensor] {
        let c = configuration
        let matrix = [c.vocabularySize, c.hiddenSize]
        try noteConfiguration()
        var plan = [try dense(names.embedding, as: TensorNames.gguf.embedding, matrix)]
        if !c.isLMHeadTied {
            plan.append(try dense(names.lmHead, as: TensorNames.gguf.lmHead, matrix))
        }
        plan.append(try vector([names.finalNorm], as: TensorNames.gguf.finalNorm, c.hiddenSize))
        let scaled = c.ropeScaling?.divisors(dimension: c.headDimension, base: c.ropeBase)
        if let divisors = try ropeDivisors() ?? scaled {
            plan.append(
                PlannedTensor(
                    name: names.ropeDivisors, shape: [divisors.count], content: .vector(divisors)))
        }
        for layer in 0..<c.layerCount { plan += try planLayer(layer) }
        try refuseUnused()
        return plan
    }

    private mutating func planLayer(_ layer: Int) throws(BitNetError) -> [PlannedTensor] {
        let c = configuration
        let gguf = TensorNames.gguf
        var plan: [PlannedTensor] = []
        for part in NormPart.allCases {
            guard let size = c.size(of: part) else { continue }
            plan.append(try vector(names.norm(part, layer), as: gguf.norm(part, layer)[0], size))
        }
        for part in LinearPart.allCases {
            let heads = c.architecture == .llama ? c.rotatedHeads(of: part) : 0
            plan.append(
                PlannedTensor(
                    name: gguf.weight(part, layer), shape: c.shape(of: part),
                    content: .ternary(try source(part, layer)), interleavedHeads: heads))
            guard c.hasLinearNorms else { continue }
            plan.append(
                try vector(
                    names.linearNorms(part, layer), as: gguf.linearNorms(part, layer)[0],
                    c.shape(of: part)[1], offset: 0))
        }
        return plan
    }

    private mutating func dense(
        _ name: String, as gguf: String, _ shape: [Int]
    ) throws(BitNetError) -> PlannedTensor {
        let tensor = try take(required: [name])
        guard tensor.shape == shape else {
            throw .shapeMismatch(tensor: name, expected: shape, found: tensor.shape)
        }
        guard tensor.type.isFloatLike else { throw tensor.notDense }
        return PlannedTensor(name: gguf, shape: shape, content: .dense(tensor))
    }

    private mutating func vector(
        _ names: [String], as gguf: String, _ count: Int, offset: Float? = nil
    ) throws(BitNetError) -> PlannedTensor {
        let weight = try normWeight(names, count: count, offset: offset ?? normOffset)
        let found = names.compactMap { checkpoint.tensor(named: $0) }
        let type = found.first?.type
        return PlannedTensor(
            name: gguf, shape: [count], content: .vector(weight), sourceType: type)
    }
}
