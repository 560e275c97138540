/// A model as one session's answers see it: its cache is the session's own and stays.
struct SessionBackend: GenerationBackend {
    let model: BitNetModel
    let memory: SessionMemory

    /// A sliding window has no end; the answer's own limit holds. Far from overflowing in sums.
    var contextLimit: Int { memory.sliding == nil ? memory.limit : 1 << 40 }
    var vocabularySize: Int { model.vocabularySize }
    var endTokens: Set<Int> { model.endTokens }
    var addsBeginOfText: Bool { model.addsBeginOfText }
    var beginOfText: Int? { model.beginOfText }

    func encode(_ text: String, most: Int, effort: Effort) throws(BitNetError) -> [Int] {
        try model.encode(text, most: most, effort: effort)
    }

    /// The tokens of a session's prompt are those of a conversation.
    func makeTextDecoder(for prompt: Prompt) throws(BitNetError) -> any TextDecoder {
        try model.makeTextDecoder(for: .messages([]))
    }

    func makeTokenSource(
        contextLength: Int, cache: KVCachePrecision
    ) throws(BitNetError) -> any TokenSource {
        memory.beginAnswer()
        return memory
    }

    func makeConstraint(
        for options: GenerationOptions
    ) throws(BitNetError) -> (any TokenConstraint)? {
        try model.makeConstraint(for: options)
    }

    func onQueue<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
        await model.onQueue(body)
    }
}
