/// The tokens of a corpus, divided into what is trained on and what is held out.
///
/// Whole documents are held out. Which ones depends on the file, the share and the seed alone, so
/// that a run that goes on from a checkpoint holds out the same.
///
/// ```swift
/// let tokens = try TokenFile.write(corpus, tokenizer: tokenizer, to: file)
/// let data = try TrainingData(tokens, context: 256, seed: 1)
/// var position = TrainingPosition()
/// let batch = try data.training.batch(of: 16, at: &position)
/// ```
public struct TrainingData: Sendable {
    /// How much is held out for validation, always whole documents. In JSON `"none"`,
    /// `{"documents": 40}` or `{"share": 0.02}`.
    public enum HeldOut: Sendable, Hashable {
        /// Nothing.
        case none
        /// So many documents.
        case documents(Int)
        /// This share of all documents, in 0..<1; one at least.
        case share(Double)
    }

    /// The file.
    public let file: TokenFile
    /// What is trained on.
    public let training: TrainingWindows
    /// What is held out; nil for nothing.
    public let validation: ValidationWindows?

    /// Divides a file's documents.
    ///
    /// - Parameters:
    ///   - file: the tokens.
    ///   - context: how many tokens are predicted in a window, which has one more.
    ///   - heldOut: what is not trained on.
    ///   - seed: of the documents that are held out and of the order of the others.
    /// - Throws: `BitNetError.invalidArgument` for a context below 1, a share or number that leaves
    ///   nothing to train on, or too little text for one window.
    public init(
        _ file: TokenFile, context: Int, heldOut: HeldOut = .share(0.02), seed: UInt64
    ) throws(BitNetError) {
        guard context > 0, context < Int(Int32.max) else {
            throw .invalidArgument(name: "context", detail: "\(context) is not a number of tokens")
        }
        guard file.documentCount < Int(Int32.max) else {
            throw .invalidArgument(
                name: "documents", detail: "\(file.documentCount) are more than 2^31; divide them")
        }
        let count = try heldOut.count(of: file.documentCount)
        var order = (0..<Int32(file.documentCount)).map { $0 }
        // The generator of epoch 0 must be another one.
        var generator = SeededGenerator(seed: seed ^ 0x7661_6C69_6461_7465)
        order.shuffle(seeded: &generator)
        self.file = file
        training = try TrainingWindows(
            file, documents: order[count...].sorted(), context: context, seed: seed)
        validation =
            count > 0
            ? try ValidationWindows(file, documents: order[..<count].sorted(), context: context)
            : nil
    }
}

extension TrainingData.HeldOut {
    /// How many of `documents` documents are held out.
    fileprivate func count(of documents: Int) throws(BitNetError) -> Int {
        let count: Int
        switch self {
        case .none: count = 0
        case .documents(let number): count = number
        case .share(let share):
            guard share >= 0, share < 1 else {
                throw .invalidArgument(name: "heldOut", detail: "\(share) is not a share below 1")
            }
            count = share == 0 ? 0 : max(1, Int((Double(documents) * share).rounded()))
        }
        if count >= 0, count < documents { return count }
        throw .invalidArgument(
            name: "heldOut",
            detail: documents == 1
                ? "the text is a single document, which cannot be both trained on and held out; put "
                    + "\(TrainingCorpus.separator) between documents"
                : "\(count) of \(documents) documents cannot be held out; hold out less")
    }
}

extension TrainingData.HeldOut: Codable {
    private enum CodingKeys: String, CodingKey {
        case documents, share
    }

    /// Reads one of the three forms.
    public init(from decoder: any Decoder) throws {
        if let name = try? decoder.singleValueContainer().decode(String.self), name == "none" {
            self = .none
            return
        }
        let members = try decoder.container(keyedBy: CodingKeys.self)
        if let count = try members.decodeIfPresent(Int.self, forKey: .documents) {
            self = .documents(count)
        } else {
            self = .share(try members.decode(Double.self, forKey: .share))
        }
    }

    /// Writes one of the three forms.
    public func encode(to encoder: any Encoder) throws {
        if self == .none {
            var container = encoder.singleValueContainer()
            return try container.encode("none")
        }
        var members = encoder.container(keyedBy: CodingKeys.self)
        if case .documents(let count) = self { try members.encode(count, forKey: .documents) }
        if case .share(let share) = self { try members.encode(share, forKey: .share) }
    }
}

extension Array {
    /// Shuffles by a rule that no version of the standard library changes (Fisher and Yates).
    mutating func shuffle(seeded generator: inout SeededGenerator) {
        guard count > 1 else { return }
        for index in stride(from: count - 1, to: 0, by: -1) {
            let (high, _) = generator.next().multipliedFullWidth(by: UInt64(index + 1))
            swapAt(index, Int(high))
        }
    }
}
