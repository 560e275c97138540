/// Whether a model file is whole and means what it says: what was checked, and what came out.
///
/// ```swift
/// let result = try await ModelVerification.verify(URL(fileURLWithPath: "model.gguf"))
/// print(result)
/// guard result.hasPassed else { exit(1) }
/// ```
public struct ModelVerification: Sendable, Hashable, Codable {
    /// What is checked, in this order.
    public enum Check: String, Sendable, Hashable, Codable, CaseIterable {
        /// The file can be read, its graph is known, and has the tensors it needs and no others.
        case structure
        /// Every tensor has the shape that the configuration says.
        case sizes
        /// Every ternary code is -1, 0 or +1, and weights that are stored as floats are ternary.
        case codes
        /// Scales, norms, embedding and LM head are finite numbers.
        case values
        /// The file's activation function predicts a text better than the others do.
        case activation
        /// Scales multiply or divide as the file says: the other way predicts a text worse, and
        /// weights have a magnitude that such models have.
        case scale
        /// Text comes back from its tokens.
        case tokenizer
        /// The chat template writes a conversation.
        case template
        /// Every kernel set, number of threads and layout computes the same bits.
        case kernels
        /// The logits of fixed tokens are those of the record.
        case fingerprint
    }

    /// What came out of a check.
    public enum Outcome: String, Sendable, Hashable, Codable, CaseIterable {
        /// Everything was looked at, and is right.
        case passed
        /// Something is wrong with the file, or with the engine on this machine.
        case failed
        /// Nothing wrong was found, but what was looked at does not say that all is right: part of the
        /// file could not be read, or no way of computing is clearly the best.
        case undecided
        /// Nothing was looked at, for the reason that is given.
        case skipped
    }

    /// The result of one check.
    public struct Result: Sendable, Hashable, Codable {
        /// What was checked.
        public let check: Check
        /// What came out.
        public let outcome: Outcome
        /// What was found, or why nothing could be.
        public let detail: String
        /// Losses in nats a token of the ways of computing that were compared, by their names; empty
        /// for checks that compare none. Those that are not finite are left out.
        public let figures: [String: Double]
    }

    /// The file or folder.
    public let path: String
    /// One for every check, in their order.
    public internal(set) var results: [Result] = []
    /// What the model computes; nil where it cannot be loaded.
    public internal(set) var fingerprint: ModelRecord?

    /// Whether no check has failed.
    public var hasPassed: Bool { results.allSatisfy { $0.outcome != .failed } }

    /// The result of a check.
    public subscript(check: Check) -> Result? { results.first { $0.check == check } }

    /// Notes a result in place of what has been noted of the check.
    mutating func note(
        _ check: Check, _ outcome: Outcome, _ detail: String, figures: [String: Double] = [:]
    ) {
        results.removeAll { $0.check == check }
        results.append(
            Result(
                check: check, outcome: outcome, detail: detail,
                figures: figures.filter { $0.value.isFinite }))
    }

    /// Notes an error as a failure; where it is an interruption it goes on.
    mutating func fail(_ check: Check, _ error: BitNetError) throws(BitNetError) {
        switch error {
        case .cancelled, .outOfMemory, .unreadable, .fileNotFound: throw error
        default: note(check, .failed, "\(error)")
        }
    }
}

/// What a model computes for fixed tokens: the same for every machine, kernel set, layout and number
/// of threads, so that a copy of a model can be recognised and an engine be checked.
public struct ModelRecord: Sendable, Hashable, Codable {
    /// The version of this form.
    public let version: Int
    /// The model's name, which does not count.
    public let model: String
    /// The tokens.
    public let tokens: [Int]
    /// SHA-256 of the logits after every one of them: float32, the low byte first, with a float32
    /// cache.
    public let sha256: String
    /// The ids and the logits of the five likeliest tokens at the end, to see how far off another
    /// result is.
    public let topTokens: [Int]
    public let topLogits: [Float]

    /// The version that this package writes and reads.
    public static let currentVersion = 1
}

extension ModelVerification: CustomStringConvertible {
    /// A line or more for each check, in up to 80 columns.
    public var description: String { shown.plain }

    package var shown: [ShownLine] {
        var lines: [ShownLine] = []
        for result in results {
            let kind: ShownLine.Kind =
                switch result.outcome {
                case .passed: .positive
                case .failed: .invalid
                case .undecided: .scale
                case .skipped: .zero
                }
            let words = result.detail.wrapped(to: 56)
            for (index, words) in words.enumerated() {
                var line = ShownLine((index == 0 ? result.check.rawValue : "").padded(to: 12))
                line.add((index == 0 ? result.outcome.rawValue : "").padded(to: 11), kind)
                line.add(words)
                lines.append(line)
            }
        }
        if let fingerprint { lines.append(ShownLine("sha256 \(fingerprint.sha256)")) }
        let counts = Outcome.allCases.map { outcome in
            (outcome, results.count { $0.outcome == outcome })
        }
        let others = counts.filter { $0.0 != .failed && $0.1 > 0 }
            .map { "\($0.1) \($0.0.rawValue)" }.joined(separator: ", ")
        let failures = results.count { $0.outcome == .failed }
        lines.append(
            ShownLine(
                failures == 0
                    ? "nothing wrong was found: \(others)"
                    : "\(failures) of \(results.count) checks failed; \(others)"))
        return lines
    }
}
