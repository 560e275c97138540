/// The text of a response, piece by piece, without the other events.
///
/// ```swift
/// for try await text in model.stream("Once upon a time").text {
///     print(text, terminator: "")
/// }
/// ```
///
/// Like the stream it comes from, it is driven by its consumer, and each iterator is a response of its
/// own.
public struct TextStream: AsyncSequence, Sendable {
    /// Whole characters, and nothing that may belong to a stop string; never empty.
    public typealias Element = String
    /// What it throws, from the `next()` that ran into it.
    public typealias Failure = BitNetError

    private let makeEvents: @Sendable () -> GenerationStream.AsyncIterator

    init(_ makeEvents: @escaping @Sendable () -> GenerationStream.AsyncIterator) {
        self.makeEvents = makeEvents
    }

    /// Starts a response; nothing is computed before its first `next()`.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(events: makeEvents()) }

    /// The text of one response in progress.
    public struct AsyncIterator: AsyncIteratorProtocol, Sendable {
        var events: GenerationStream.AsyncIterator

        /// The next piece of text; nil after the end.
        public mutating func next() async throws(BitNetError) -> String? {
            try await next(isolation: nil)
        }

        /// The next piece of text; nil after the end.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(BitNetError) -> String? {
            while let event = try await events.next(isolation: actor) {
                if case .text(let text) = event { return text }
            }
            return nil
        }
    }
}

extension GenerationStream {
    /// The response's text alone.
    public var text: TextStream { TextStream { makeAsyncIterator() } }
}
