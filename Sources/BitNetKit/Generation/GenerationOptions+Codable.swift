// As JSON, options have a key for each property that differs from the default; what is absent when
// they are read has the default.
extension GenerationOptions: Codable {
    private enum CodingKeys: String, CodingKey {
        case sampling, maximumResponseTokens, stop, repetitionPenalty, repetitionWindow, logitBias
        case presencePenalty, frequencyPenalty, contextLength, kvCache, topLogProbabilities
        case speculation, includesSparsity, grammar
    }

    /// Reads options of which every part may be absent. They are not checked; `validate()` does that.
    public init(from decoder: any Decoder) throws {
        self.init()
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func read<T: Decodable>(_ key: CodingKeys, _ value: inout T) throws {
            if let found = try container.decodeIfPresent(T.self, forKey: key) { value = found }
        }
        try read(.sampling, &sampling)
        try read(.maximumResponseTokens, &maximumResponseTokens)
        try read(.stop, &stop)
        try read(.repetitionPenalty, &repetitionPenalty)
        try read(.repetitionWindow, &repetitionWindow)
        var bias: [Int: Bias] = [:]
        try read(.logitBias, &bias)
        logitBias = bias.mapValues(\.value)
        try read(.presencePenalty, &presencePenalty)
        try read(.frequencyPenalty, &frequencyPenalty)
        try read(.contextLength, &contextLength)
        try read(.kvCache, &kvCache)
        try read(.topLogProbabilities, &topLogProbabilities)
        try read(.speculation, &speculation)
        try read(.includesSparsity, &includesSparsity)
        try read(.grammar, &grammar)
    }

    /// Writes what differs from the defaults.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        let defaults = GenerationOptions()
        func write<T: Encodable & Equatable>(
            _ key: CodingKeys, _ value: T, _ initial: T
        ) throws {
            if value != initial { try container.encode(value, forKey: key) }
        }
        try write(.sampling, sampling, defaults.sampling)
        try write(.maximumResponseTokens, maximumResponseTokens, defaults.maximumResponseTokens)
        try write(.stop, stop, defaults.stop)
        try write(.repetitionPenalty, repetitionPenalty, defaults.repetitionPenalty)
        try write(.repetitionWindow, repetitionWindow, defaults.repetitionWindow)
        try write(.logitBias, logitBias.mapValues(Bias.init), [:])
        try write(.presencePenalty, presencePenalty, defaults.presencePenalty)
        try write(.frequencyPenalty, frequencyPenalty, defaults.frequencyPenalty)
        try write(.contextLength, contextLength, defaults.contextLength)
        try write(.kvCache, kvCache, defaults.kvCache)
        try write(.topLogProbabilities, topLogProbabilities, defaults.topLogProbabilities)
        try write(.speculation, speculation, defaults.speculation)
        try write(.includesSparsity, includesSparsity, defaults.includesSparsity)
        try write(.grammar, grammar, defaults.grammar)
    }

    /// A logit's bias. JSON has no infinity: it is written as a string.
    private struct Bias: Codable, Equatable {
        let value: Float
        private static let ban = "-infinity"

        init(_ value: Float) { self.value = value }

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Float.self) {
                value = number
                return
            }
            guard try container.decode(String.self) == Self.ban else {
                throw DecodingError.dataCorruptedError(
                    in: container, debugDescription: "a bias is a number or \"\(Self.ban)\"")
            }
            value = -.infinity
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            if value == -.infinity {
                try container.encode(Self.ban)
            } else {
                try container.encode(value)
            }
        }
    }
}

// MARK: - Grammars

extension Grammar: Codable {
    private enum CodingKeys: String, CodingKey {
        case gbnf, root, jsonSchema
    }

    /// Reads a grammar by its text: `{"gbnf": ..., "root": ...}` or `{"jsonSchema": ...}`.
    ///
    /// - Throws: `DecodingError`, and `BitNetError.grammar` for a text that is no grammar.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let schema = try container.decodeIfPresent(String.self, forKey: .jsonSchema) {
            try self.init(jsonSchema: schema)
        } else {
            try self.init(
                gbnf: try container.decode(String.self, forKey: .gbnf),
                root: try container.decodeIfPresent(String.self, forKey: .root) ?? "root")
        }
    }

    /// Writes the text that the grammar was made from.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch source {
        case .gbnf(let text, let root):
            try container.encode(text, forKey: .gbnf)
            try container.encode(root, forKey: .root)
        case .jsonSchema(let text): try container.encode(text, forKey: .jsonSchema)
        case .rules:
            throw EncodingError.invalidValue(
                self,
                .init(
                    codingPath: encoder.codingPath, debugDescription: "it was not made from a text")
            )
        }
    }
}

// MARK: - Results

extension StopReason: Codable {
    private enum CodingKeys: String, CodingKey {
        case stopString
    }

    private static let names: [(StopReason, String)] = [
        (.endOfText, "endOfText"), (.length, "length"), (.contextFull, "contextFull"),
        (.cancelled, "cancelled"),
    ]

    /// Reads a name, or `{"stopString": ...}`.
    public init(from decoder: any Decoder) throws {
        if let container = try? decoder.container(keyedBy: CodingKeys.self) {
            self = .stopString(try container.decode(String.self, forKey: .stopString))
            return
        }
        let container = try decoder.singleValueContainer()
        let name = try container.decode(String.self)
        guard let found = Self.names.first(where: { $0.1 == name }) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\(name.quoted) is no reason to stop")
        }
        self = found.0
    }

    /// Writes a name, or `{"stopString": ...}`.
    public func encode(to encoder: any Encoder) throws {
        if case .stopString(let text) = self {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(text, forKey: .stopString)
            return
        }
        var container = encoder.singleValueContainer()
        try container.encode(Self.names.first { $0.0 == self }?.1)
    }
}

extension GenerationEvent: Codable {
    private enum CodingKeys: String, CodingKey {
        case text, token, finished
    }

    private struct Token: Codable {
        var id: Int
        var logProbabilities: LogProbabilities?
    }

    private struct End: Codable {
        var stopReason: StopReason
        var statistics: GenerationStatistics
    }

    /// Reads an object with one member.
    public init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        if let text = try members.decodeIfPresent(String.self, forKey: .text) {
            self = .text(text)
        } else if let token = try members.decodeIfPresent(Token.self, forKey: .token) {
            self = .token(id: token.id, logProbabilities: token.logProbabilities)
        } else {
            let end = try members.decode(End.self, forKey: .finished)
            self = .finished(end.stopReason, end.statistics)
        }
    }

    /// Writes an object with one member.
    public func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .text(let text): try members.encode(text, forKey: .text)
        case .token(let id, let logProbabilities):
            try members.encode(Token(id: id, logProbabilities: logProbabilities), forKey: .token)
        case .finished(let reason, let statistics):
            try members.encode(End(stopReason: reason, statistics: statistics), forKey: .finished)
        }
    }
}
