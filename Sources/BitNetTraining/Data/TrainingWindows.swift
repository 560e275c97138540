internal import Synchronization

/// Where a training run is in its data. With the file, the context and the seed it says which
/// windows come next: nothing else has to be saved.
public struct TrainingPosition: Sendable, Hashable, Codable, Comparable {
    /// How often all windows have been seen.
    public var epoch: Int
    /// How many windows of this epoch have been seen.
    public var index: Int

    /// The start, or a position that was saved.
    public init(epoch: Int = 0, index: Int = 0) {
        self.epoch = epoch
        self.index = index
    }

    public static func < (left: Self, right: Self) -> Bool {
        (left.epoch, left.index) < (right.epoch, right.index)
    }
}

/// Windows of tokens, as many as a step needs.
public struct TokenBatch: Sendable, Hashable {
    /// Number of windows.
    public let count: Int
    /// How many tokens are predicted in each window.
    public let context: Int
    /// The windows one after the other, `[count, context + 1]`: inputs are all of a window but its
    /// last token, targets all but its first.
    public let tokens: [Int32]

    /// Window `index`, `context + 1` tokens.
    public subscript(index: Int) -> ArraySlice<Int32> {
        tokens[index * (context + 1)..<(index + 1) * (context + 1)]
    }
}

/// What is trained on, in windows of `context + 1` tokens.
///
/// In every epoch the documents are put one after the other in a new order, and cut into windows of
/// which each begins with the last token of the one before, so that every token is predicted once;
/// a rest that fills no window is left out. The windows come in an order of their own. Both orders
/// depend on the seed and the epoch alone.
public struct TrainingWindows: Sendable {
    /// How many tokens are predicted in a window.
    public let context: Int
    /// Number of windows in an epoch.
    public let countPerEpoch: Int
    /// Number of tokens of all documents.
    public let tokenCount: Int
    /// Number of documents.
    public var documentCount: Int { documents.count }

    private let file: TokenFile
    private let documents: [Int32]
    let seed: UInt64
    private let latest = Latest()

    /// The order of one epoch: 12 bytes for each document, 4 for each window.
    private struct Epoch: Sendable {
        let number: Int
        let stream: TokenStream
        let order: [Int32]
    }

    private final class Latest: Sendable {
        let epoch = Mutex<Epoch?>(nil)
    }

    init(
        _ file: TokenFile, documents: [Int32], context: Int, seed: UInt64
    ) throws(BitNetError) {
        self.file = file
        self.documents = documents
        self.context = context
        self.seed = seed
        tokenCount = TokenStream(file, documents: documents).count
        countPerEpoch = (tokenCount - 1) / context
        guard countPerEpoch > 0 else {
            throw .invalidArgument(
                name: "context",
                detail: "the \(tokenCount) tokens of the text do not fill one window of "
                    + "\(context + 1); give more text, or a smaller context")
        }
        guard countPerEpoch < Int(Int32.max) else {
            throw .invalidArgument(
                name: "context",
                detail: "the \(tokenCount) tokens of the text make more than 2^31 windows; take a "
                    + "larger context")
        }
    }

    /// The next `count` windows, and moves `position` behind them. They may be of two epochs.
    ///
    /// - Throws: `BitNetError.unreadable` where the file has been changed since it was opened,
    ///   `.malformedFile`, `.invalidArgument` for a position that is none of this data, or a count
    ///   below 1.
    public func batch(
        of count: Int, at position: inout TrainingPosition
    ) throws(BitNetError) -> TokenBatch {
        guard count > 0, count <= Int(Int32.max) / (context + 1) else {
            throw .invalidArgument(
                name: "count", detail: "\(count) windows are none, or too many for a batch")
        }
        guard (0..<Int(Int32.max)).contains(position.epoch),
            (0...countPerEpoch).contains(position.index)
        else {
            throw .invalidArgument(
                name: "position",
                detail: "window \(position.index) of epoch \(position.epoch) is not in the data, "
                    + "which has \(countPerEpoch) windows; was it another text?")
        }
        var next = position
        var tokens: [Int32] = []
        tokens.reserveCapacity(count * (context + 1))
        for _ in 0..<count {
            if next.index == countPerEpoch { next = TrainingPosition(epoch: next.epoch + 1) }
            let epoch = epoch(next.epoch)
            let start = Int(epoch.order[next.index]) * context
            try epoch.stream.append(start..<start + context + 1, to: &tokens)
            next.index += 1
        }
        try file.checkUnchanged()
        position = next
        return TokenBatch(count: count, context: context, tokens: tokens)
    }

    private func epoch(_ number: Int) -> Epoch {
        latest.epoch.withLock { latest in
            if let latest, latest.number == number { return latest }
            // Two seeds with two epochs must not meet, as a sum of them would.
            var mixer = SeededGenerator(seed: seed)
            var generator = SeededGenerator(seed: mixer.next() ^ UInt64(number))
            var documents = documents
            documents.shuffle(seeded: &generator)
            var order = (0..<Int32(countPerEpoch)).map { $0 }
            order.shuffle(seeded: &generator)
            let epoch = Epoch(
                number: number, stream: TokenStream(file, documents: documents), order: order)
            latest = epoch
            return epoch
        }
    }
}
