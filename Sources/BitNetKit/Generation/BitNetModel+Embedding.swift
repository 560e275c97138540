/// How texts become embeddings.
public struct EmbeddingOptions: Sendable, Hashable, Codable {
    /// What is put before every text. Embedding models want an instruction before queries, and
    /// nothing before documents; the model's card says which.
    public var prompt: String

    /// Options; without a prompt, texts are taken as they are.
    public init(prompt: String = "") { self.prompt = prompt }
}

extension BitNetModel {
    /// A vector of length 1 for each text, `[texts][hiddenSize]`: the state of the text's last token
    /// after the final norm, divided by its L2 norm. Dot products of two are their cosine.
    ///
    /// A begin-of-text token is added before, and the tokens that an embedding model expects after
    /// every text behind it (`Tokenizer.appendedTokens`). Language models work too, though they were
    /// not trained for it. Keys and values are kept as float32. Short texts go through the model
    /// together, up to 512 tokens in one pass, which gives the same bits as each alone; other
    /// sequences of the model get their turn between two passes.
    ///
    /// ```swift
    /// let vectors = try await model.embed(["a ternary weight", "a trit", "a cat"])
    /// print(try Embedding.cosineSimilarity(vectors[0], vectors[1]))
    /// print(try Embedding.nearest(to: vectors[0], in: vectors, count: 2))
    /// ```
    ///
    /// - Throws: `BitNetError.contextWindowExceeded` for a text that is too long,
    ///   `.invalidArgument` for an empty one that the model cannot start from, `.cancelled` if the
    ///   task is cancelled, `.corruptTensor` if the model computes numbers that are not finite,
    ///   `.outOfMemory`.
    public func embed(
        _ texts: [String], options: EmbeddingOptions = .init()
    ) async throws(BitNetError) -> [[Float]] {
        var tokens: [[Int]] = []
        for text in texts { tokens.append(try embeddingTokens(options.prompt + text)) }
        return try await embed(tokens: tokens)
    }

    /// The vector of one text, `[hiddenSize]`.
    ///
    /// ```swift
    /// let query = try await model.embed("a ternary weight")
    /// ```
    ///
    /// - Throws: as `embed(_:options:)` for several texts.
    public func embed(
        _ text: String, options: EmbeddingOptions = .init()
    ) async throws(BitNetError) -> [Float] {
        try await embed([text], options: options)[0]
    }

    /// The same for sequences of tokens, taken as they are; nothing is added.
    ///
    /// - Throws: as `embed(_:options:)`; `.invalidArgument` for a sequence without tokens and for an
    ///   id outside the vocabulary.
    public func embed(tokens sequences: [[Int]]) async throws(BitNetError) -> [[Float]] {
        guard !sequences.contains([]) else {
            throw .invalidArgument(name: "tokens", detail: "there are none")
        }
        let cancellation = Cancellation()
        return try await cancellation.follow { await embedAll(sequences, cancellation) }.get()
    }

    private func embedAll(
        _ sequences: [[Int]], _ cancellation: Cancellation
    ) async -> Result<[[Float]], BitNetError> {
        var vectors: [[Float]] = []
        for group in Self.groups(of: sequences) {
            let result = await onQueue {
                Result { () throws(BitNetError) in
                    try self.embeddings(of: sequences[group], cancellation)
                }
            }
            switch result {
            case .success(let found): vectors += found
            case .failure(let error): return .failure(error)
            }
        }
        return .success(vectors)
    }

    /// The sequences that go through the model together: as many as one pass takes, a longer one
    /// alone.
    static func groups(of sequences: [[Int]]) -> [Range<Int>] {
        var groups: [Range<Int>] = []
        var (start, tokens) = (0, 0)
        for (index, sequence) in sequences.enumerated() {
            if index > start, tokens + sequence.count > InferenceContext.batchLength {
                groups.append(start..<index)
                (start, tokens) = (index, 0)
            }
            tokens += sequence.count
        }
        return sequences.isEmpty ? [] : groups + [start..<sequences.count]
    }

    private func embeddings(
        of sequences: ArraySlice<[Int]>, _ cancellation: Cancellation
    ) throws(BitNetError) -> [[Float]] {
        if cancellation.isRequested { throw .cancelled }
        if let long = sequences.first(where: { $0.count > contextLimit }) {
            throw .contextWindowExceeded(limit: contextLimit, requested: long.count)
        }
        let context = try InferenceContext(
            transformer, contextLength: sequences.reduce(0) { $0 + $1.count }, cache: .f32)
        let states: [[Float]]
        if sequences.count == 1 {
            states = [
                try context.finalState(after: sequences[sequences.startIndex]) {
                    cancellation.isRequested
                }
            ]
        } else {
            states = try context.finalStates(afterEach: Array(sequences)) {
                cancellation.isRequested
            }
        }
        return states.map { state in
            let norm = state.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            // A state of zeros has no direction; it stays as it is.
            return norm == 0 ? state : state.map { Float(Double($0) / norm) }
        }
    }

    /// The tokens whose last one is looked at.
    func embeddingTokens(_ text: String) throws(BitNetError) -> [Int] {
        let tokenizer = try tokenizer
        let appended = tokenizer.appendedTokens
        if text.isEmpty, !appended.isEmpty {
            return (tokenizer.addsBeginOfText ? tokenizer.beginOfText.map { [$0] } ?? [] : [])
                + appended
        }
        return try Prompt.text(text).tokens(for: self, limit: contextLimit, effort: .ofTask())
            + appended
    }
}
