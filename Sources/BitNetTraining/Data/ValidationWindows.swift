internal import Foundation

/// What is held out: documents in the order of the file, one after the other, in windows of
/// `context + 1` tokens of which each begins with the last token of the one before. The last window
/// may be shorter. Every token but the first is predicted once.
public struct ValidationWindows: Sendable {
    /// One window.
    public struct Window: Sendable, Hashable {
        /// Up to `context + 1` tokens, two at least: inputs are all but the last, targets all but
        /// the first.
        public let tokens: [Int32]
        /// How many bytes of text the targets stand for.
        public let byteCount: Int
    }

    /// How many tokens are predicted in a window.
    public let context: Int
    /// Number of windows.
    public let count: Int
    /// The documents that are held out, by their place in the file.
    public let documents: [Int]

    private let stream: TokenStream

    init(_ file: TokenFile, documents: [Int32], context: Int) throws(BitNetError) {
        self.context = context
        self.documents = documents.map { Int($0) }
        stream = TokenStream(file, documents: documents)
        count = (stream.count - 1 + context - 1) / context
        guard count > 0 else {
            throw .invalidArgument(
                name: "heldOut", detail: "what is held out has no text; hold out more")
        }
    }

    /// Tells the file from any other.
    var fingerprint: UInt64 { stream.file.fingerprint }

    /// Number of tokens, of which the first is not predicted.
    public var tokenCount: Int { stream.count }

    /// Window `index`, in `0..<count`.
    ///
    /// - Throws: `BitNetError.unreadable` where the file has been changed since it was opened,
    ///   `.malformedFile`.
    public func window(_ index: Int) throws(BitNetError) -> Window {
        precondition(index >= 0 && index < count)
        let start = index * context
        var tokens: [Int32] = []
        try stream.append(start..<min(start + context + 1, stream.count), to: &tokens)
        try stream.file.checkUnchanged()
        let bytes = tokens.dropFirst().reduce(0) { $0 + Int(stream.file.byteCounts[Int($1)]) }
        return Window(tokens: tokens, byteCount: bytes)
    }

    /// Bits per byte of text: losses can be compared by it whatever the tokenizers are.
    ///
    /// Special tokens count with their loss, but stand for no bytes.
    ///
    /// - Parameters:
    ///   - nats: the sum of the losses of all targets, natural logarithms.
    ///   - byteCount: the sum of the windows' `byteCount`.
    public static func bitsPerByte(nats: Double, byteCount: Int) -> Double {
        nats / (Double(byteCount) * log(2))
    }
}
