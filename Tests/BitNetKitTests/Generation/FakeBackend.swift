import Foundation
import Synchronization

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// A model with a script instead of weights: tokens are Unicode scalars, and the most likely
/// response to any prompt is `script`, one token after the other.
final class FakeBackend: GenerationBackend {
    static let endOfText = 0
    static let begin = 1

    let contextLimit: Int
    let vocabularySize = 128
    let addsBeginOfText: Bool
    let beginOfText: Int?
    let endTokens: Set<Int>
    let script: [Int]
    let constraint: (any TokenConstraint)?
    /// Called before each token that goes through the model, with the number so far.
    let beforeToken: @Sendable (Int) throws(BitNetError) -> Void
    /// Called before a text is encoded, and before there is a cache.
    let whilePreparing: @Sendable () -> Void
    let log = Mutex(Log())
    private let queue = DispatchQueue(label: "FakeBackend")

    /// What the backend was asked to do.
    struct Log {
        var processed: [Int] = []
        var passes: [Int] = []
        var contextLength: Int?
        var cache: KVCachePrecision?
        var liveSources = 0
    }

    init(
        _ script: String, endsText: Bool = true, contextLimit: Int = 100, hasBegin: Bool = true,
        endTokens: Set<Int> = [endOfText], constraint: (any TokenConstraint)? = nil,
        beforeToken: @escaping @Sendable (Int) throws(BitNetError) -> Void = { _ in },
        whilePreparing: @escaping @Sendable () -> Void = {}
    ) {
        self.whilePreparing = whilePreparing
        self.script = script.unicodeScalars.map { Int($0.value) } + (endsText ? [0] : [])
        self.contextLimit = contextLimit
        addsBeginOfText = hasBegin
        beginOfText = hasBegin ? Self.begin : nil
        self.endTokens = endTokens
        self.constraint = constraint
        self.beforeToken = beforeToken
    }

    func encode(_ text: String, most: Int, effort: Effort) -> [Int] {
        whilePreparing()
        return text.unicodeScalars.map { Int($0.value) }
    }
    func makeTextDecoder(for prompt: Prompt) -> any TextDecoder { Decoder() }

    func makeConstraint(for options: GenerationOptions) -> (any TokenConstraint)? { constraint }

    func makeTokenSource(
        contextLength: Int, cache: KVCachePrecision
    ) throws(BitNetError) -> any TokenSource {
        whilePreparing()
        log.withLock {
            $0.contextLength = contextLength
            $0.cache = cache
            $0.liveSources += 1
        }
        return Source(self)
    }

    func onQueue<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: body()) }
        }
    }

    private final class Source: TokenSource {
        private let backend: FakeBackend
        private var promptLength: Int?
        private(set) var position = 0

        init(_ backend: FakeBackend) { self.backend = backend }
        deinit { backend.log.withLock { $0.liveSources -= 1 } }

        func forward(_ tokens: [Int], isCancelled: () -> Bool) throws(BitNetError) {
            try forward(tokens, isCancelled: isCancelled) { _, _ in true }
        }

        func forward(
            _ tokens: [Int], isCancelled: () -> Bool, eachLogits: (Int, Span<Float>) -> Bool
        ) throws(BitNetError) {
            backend.log.withLock { $0.passes.append(tokens.count) }
            if promptLength == nil { promptLength = tokens.count }
            var isWanted = true
            for (index, token) in tokens.enumerated() {
                try backend.beforeToken(backend.log.withLock { $0.processed.count })
                if isCancelled() { throw .cancelled }
                backend.log.withLock { $0.processed.append(token) }
                position += 1
                if isWanted { isWanted = withLogits { eachLogits(index, $0) } }
            }
        }

        func rewind(to position: Int) { self.position = position }

        func withLogits<R, E: Error>(_ body: (Span<Float>) throws(E) -> R) throws(E) -> R {
            var logits = [Float](repeating: 0, count: backend.vocabularySize)
            let step = max(0, position - (promptLength ?? 0))
            logits[backend.script[step % backend.script.count]] = 5
            return try body(logits.span)
        }
    }

    /// Holds every "~" back, as a decoder does with half a character.
    private struct Decoder: TextDecoder {
        private var pending = ""

        mutating func append(_ id: Int) -> String {
            pending += UnicodeScalar(id).map { String($0) } ?? ""
            if pending.hasSuffix("~") { return "" }
            defer { pending = "" }
            return pending
        }

        mutating func finish() -> String {
            defer { pending = "" }
            return pending
        }
    }
}
