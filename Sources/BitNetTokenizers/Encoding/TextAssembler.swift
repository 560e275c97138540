/// How the bytes of tokens become a text.
struct Decoding: Sendable, Equatable {
    /// What becomes of spaces where a text begins.
    enum LeadingSpace: String, Sendable {
        /// They stay.
        case kept
        /// One is taken off (`Strip`).
        case dropped
        /// One is taken off, unless it is a byte by itself, as sentencepiece does.
        case droppedFromPiece = "dropped_from_piece"
        /// All that the first token has are taken off (`Metaspace`).
        case droppedFromFirstToken = "dropped_from_first_token"
    }

    var leadingSpace = LeadingSpace.kept
    /// Whether every byte that is part of no character becomes one U+FFFD.
    var repairsBytes = false

    /// A token without the spaces that are taken off; `isAtStart` says whether the text is empty
    /// so far, and is brought up to date.
    func trim(
        _ token: ArraySlice<UInt8>, isByte: Bool, _ isAtStart: inout Bool
    ) -> ArraySlice<UInt8> {
        guard isAtStart, !token.isEmpty else { return token }
        isAtStart = false
        switch leadingSpace {
        case .kept: return token
        case .droppedFromPiece where isByte: return token
        case .dropped, .droppedFromPiece: return token.first == 0x20 ? token.dropFirst() : token
        case .droppedFromFirstToken: return token.drop { $0 == 0x20 }
        }
    }
}

/// Puts a text together from the bytes of tokens, whole characters only.
struct TextAssembler: Sendable {
    private let decoding: Decoding
    private var repair: UTF8Repair
    private var isAtStart: Bool

    init(_ decoding: Decoding, isAtStart: Bool = true) {
        self.decoding = decoding
        self.isAtStart = isAtStart
        repair = UTF8Repair(countingBytes: decoding.repairsBytes)
    }

    /// Appends to `output` what a token completes.
    mutating func append(_ token: ArraySlice<UInt8>, isByte: Bool, to output: inout [UInt8]) {
        repair.append(decoding.trim(token, isByte: isByte, &isAtStart), to: &output)
    }

    /// Ends the text, and begins another.
    mutating func finish(to output: inout [UInt8]) {
        repair.finish(to: &output)
        isAtStart = true
    }
}
