import BitNetKit
import Foundation

/// A finished response.
struct Outcome: Sendable {
    let text: String
    let tokens: [Int]
    let stopReason: StopReason
    let statistics: GenerationStatistics
    let logProbabilities: [LogProbabilities]
    /// What tokens were drawn with; nil where nothing was.
    var seed: UInt64?

    /// What `--json` prints: keys in the order they are documented in.
    func json() throws(BitNetError) -> String {
        let (prefill, decode) = (statistics.prefill / .seconds(1), statistics.decode / .seconds(1))
        var members = [
            ("text", try Terminal.json(text)), ("tokens", try Terminal.json(tokens)),
            ("stopReason", try Terminal.json(stopReason.name)),
            ("promptTokens", "\(statistics.promptTokens)"),
            ("generatedTokens", "\(statistics.generatedTokens)"),
            ("decodedTokens", "\(statistics.decodedTokens)"),
            ("decodePasses", "\(statistics.decodePasses)"),
            ("draftedTokens", "\(statistics.draftedTokens)"),
            ("acceptedDraftTokens", "\(statistics.acceptedDraftTokens)"),
            ("prefillSeconds", "\(prefill)"), ("decodeSeconds", "\(decode)"),
            ("prefillTokensPerSecond", "\(statistics.prefillTokensPerSecond)"),
            ("decodeTokensPerSecond", "\(statistics.decodeTokensPerSecond)"),
            ("seed", try Terminal.json(seed)),
            ("sparsity", try Terminal.json(statistics.sparsity)),
        ]
        if !logProbabilities.isEmpty {
            let list = logProbabilities.map(LogProbabilitiesJSON.init)
            members.append(("logProbabilities", try Terminal.json(list)))
        }
        return "{" + members.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
    }

    /// Counts, times and the reason of the end, on one line.
    var summary: String { "\(statistics), ended by \(stopReason.words)" }
}

/// Log probabilities as `--json` prints them.
private struct LogProbabilitiesJSON: Encodable {
    struct Candidate: Encodable {
        let token: Int
        let logProbability: Float
    }

    let chosen: Float
    let top: [Candidate]

    init(_ found: LogProbabilities) {
        chosen = found.chosen
        top = found.top.map { Candidate(token: $0.token, logProbability: $0.logProbability) }
    }
}

/// A response on its way to standard output.
struct Response: Sendable {
    let prompt: String
    let stream: GenerationStream
    /// Whether prompt and text are written as they come.
    let isText: Bool

    func run(_ line: ProgressLine) async throws(BitNetError) -> Outcome {
        var text = ""
        var tokens: [Int] = []
        var logProbabilities: [LogProbabilities] = []
        var iterator = stream.makeAsyncIterator()
        var isStarted = false
        while let event = try await iterator.next() {
            line.clear()
            // The prompt appears with the first event: after an error nothing has been written.
            if isText && !isStarted { try Terminal.write(prompt) }
            isStarted = true
            switch event {
            case .text(let piece):
                text += piece
                if isText { try Terminal.write(piece) }
            case .token(let id, let found):
                tokens.append(id)
                if let found { logProbabilities.append(found) }
            case .finished(let reason, let statistics):
                if isText { try Terminal.write("\n") }
                return Outcome(
                    text: text, tokens: tokens, stopReason: reason, statistics: statistics,
                    logProbabilities: logProbabilities)
            }
        }
        throw .cancelled
    }
}

extension StopReason {
    /// The reason as JSON names it.
    fileprivate var name: String {
        switch self {
        case .endOfText: "endOfText"
        case .stopString: "stopString"
        case .length: "length"
        case .contextFull: "contextFull"
        case .cancelled: "cancelled"
        }
    }

    /// The reason in words, after "ended by".
    fileprivate var words: String {
        switch self {
        case .endOfText: "the model"
        case .stopString(let text): "the stop string \(text.debugDescription)"
        case .length: "--max-tokens"
        case .contextFull: "the context's length"
        case .cancelled: "Ctrl-C"
        }
    }
}
