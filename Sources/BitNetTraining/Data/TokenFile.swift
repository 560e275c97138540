public import Foundation

// A token file is a safetensors file of two tensors:
//
//   tokens     U16 or U32 [tokens]      ids, little-endian; U16 where the vocabulary has up to
//                                       65,536 tokens
//   documents  U64 [documents + 1]      where each document begins in `tokens`, and where the last
//                                       one ends
//
// and these strings in its metadata:
//
//   format             bitnet-tokens-1
//   vocabulary_size    tokens of the tokenizer
//   tokenizer          fingerprint of the tokenizer, 16 hexadecimal digits
//   fingerprint        checksum of tokens and documents, 16 hexadecimal digits
//   end_of_text        the id that ends every document

/// A corpus as tokens, in a file.
///
/// A document is the begin-of-text token if the tokenizer puts one before every text, the tokens of
/// the text, and the end-of-text token. Nothing that is written in a text becomes a special token.
///
/// The file belongs to its tokenizer, and is refused with any other. Tokens are read when they are
/// asked for, so that a corpus may be larger than memory; 8 bytes for each document are kept. A file
/// that is shortened or changed while it is used is an error, and one that is replaced under its
/// name stays the one that was opened.
public struct TokenFile: Sendable {
    /// The path the file was opened with.
    public let path: String
    /// Number of tokens of the tokenizer; all ids are below.
    public let vocabularySize: Int
    /// The token that ends every document.
    public let endOfText: Int
    /// A number that tells this file's content from any other's: a checkpoint keeps it, to go on
    /// with the same data only.
    public let fingerprint: UInt64
    /// Where each document begins, and where the last one ends.
    let starts: [Int]
    /// Per token how many bytes of text it stands for; special tokens stand for none.
    let byteCounts: [Int32]

    private let tokens: FileRegion
    private let file: FileRegion
    private let width: Int

    static let format = "bitnet-tokens-1"

    /// Number of tokens in the file.
    public var tokenCount: Int { starts[starts.count - 1] }
    /// Number of documents.
    public var documentCount: Int { starts.count - 1 }

    /// Opens a file that `write` has written with this tokenizer.
    ///
    /// - Throws: `BitNetError.fileNotFound`, `.unreadable`, `.malformedFile` for a file that is
    ///   damaged or cut off, `.unsupportedFormat` for one that is no token file, `.tokenizer` for
    ///   one of another tokenizer.
    public init(opening url: URL, tokenizer: Tokenizer) throws(BitNetError) {
        try self.init(FileRegion(try InputFile(opening: url.path)), tokenizer)
    }

    init(_ file: FileRegion, _ tokenizer: Tokenizer) throws(BitNetError) {
        self.file = file
        path = file.path
        let header = try file.reading { () throws(BitNetError) in try SafetensorsHeader(file) }
        (vocabularySize, fingerprint, endOfText) = try Self.check(
            header.metadata, against: tokenizer, path: path)
        byteCounts = tokenizer.byteCounts
        let entries = header.entries
        guard entries.count == 2, let ids = entries.first(where: { $0.name == "tokens" }),
            let documents = entries.first(where: { $0.name == "documents" }),
            documents.dtype == "U64", ids.dtype == "U16" || ids.dtype == "U32"
        else { throw Self.damaged(path, "it has other tensors than tokens and documents") }
        let width = ids.dtype == "U16" ? 2 : 4
        self.width = width
        tokens = ids.region
        starts = try file.reading { () throws(BitNetError) in
            try Self.starts(documents.region, tokenCount: ids.region.count / width)
        }
    }

    /// What the metadata says, if it is of a token file of this tokenizer.
    private static func check(
        _ metadata: [String: String], against tokenizer: Tokenizer, path: String
    ) throws(BitNetError) -> (vocabularySize: Int, fingerprint: UInt64, endOfText: Int) {
        guard metadata["format"] == format else {
            throw .unsupportedFormat(
                path: path, detail: "not a token file of this version",
                remedy: "remove it, and the tokens are made again from the text")
        }
        guard let saved = metadata["tokenizer"].flatMap({ UInt64($0, radix: 16) }),
            let fingerprint = metadata["fingerprint"].flatMap({ UInt64($0, radix: 16) }),
            let size = metadata["vocabulary_size"].flatMap({ Int($0) }),
            let end = metadata["end_of_text"].flatMap({ Int($0) })
        else { throw damaged(path, "its metadata is not complete") }
        guard saved == tokenizer.fingerprint, size == tokenizer.vocabularySize,
            end == tokenizer.endOfText
        else {
            throw .tokenizer(
                detail: "\(path) was written with another tokenizer (of \(size) tokens); remove "
                    + "it, and the tokens are made again from the text")
        }
        return (size, fingerprint, end)
    }

    private static func starts(
        _ region: FileRegion, tokenCount: Int
    ) throws(BitNetError) -> [Int] {
        var starts: [Int] = []
        starts.reserveCapacity(region.count / 8)
        // 8 divides the size of a piece.
        try region.forEachPiece { (piece) throws(BitNetError) in
            var reader = ByteReader(piece)
            while reader.remaining > 0 {
                guard let start = Int(exactly: try reader.read(UInt64.self)),
                    start > starts.last ?? -1
                else { throw damaged(region.path, "document \(starts.count) begins out of order") }
                starts.append(start)
            }
        }
        guard starts.count > 1, starts.first == 0, starts.last == tokenCount else {
            throw damaged(region.path, "its documents do not cover its tokens")
        }
        return starts
    }

    private static func damaged(_ path: String, _ detail: String) -> BitNetError {
        .malformedFile(
            path: path,
            detail: "\(detail); remove the file, and the tokens are made again from the text")
    }

    /// Where document `index` is among the tokens.
    public func tokenRange(ofDocument index: Int) -> Range<Int> {
        starts[index]..<starts[index + 1]
    }

    /// The ids of `range`, which lies in `0..<tokenCount`.
    ///
    /// - Throws: `BitNetError.unreadable` where the file has been changed or shortened since it was
    ///   opened, `.malformedFile` for an id that the tokenizer does not have.
    public func tokens(in range: Range<Int>) throws(BitNetError) -> [Int32] {
        precondition(range.lowerBound >= 0 && range.upperBound <= tokenCount)
        var ids: [Int32] = []
        ids.reserveCapacity(range.count)
        try appendTokens(in: range, to: &ids)
        try checkUnchanged()
        return ids
    }

    /// Appends ids; whoever has appended all that it needs calls `checkUnchanged`.
    func appendTokens(in range: Range<Int>, to ids: inout [Int32]) throws(BitNetError) {
        guard !range.isEmpty else { return }
        let part = range.lowerBound * width..<range.upperBound * width
        let bytes = try tokens.slice(part).bytes
        for place in stride(from: 0, to: bytes.count, by: width) {
            var id = UInt32(bytes[place]) | UInt32(bytes[place + 1]) << 8
            if width == 4 { id |= UInt32(bytes[place + 2]) << 16 | UInt32(bytes[place + 3]) << 24 }
            guard id < UInt32(truncatingIfNeeded: vocabularySize) else {
                let number = range.lowerBound + place / width
                throw Self.damaged(
                    path, "token \(number) is \(id), but there are \(vocabularySize) tokens")
            }
            ids.append(Int32(bitPattern: id))
        }
    }

    /// Throws `unreadable` where somebody has written to the file since it was opened.
    func checkUnchanged() throws(BitNetError) { try file.reading {} }
}

extension Tokenizer {
    /// Per token how many bytes of text it stands for; special tokens stand for none.
    fileprivate var byteCounts: [Int32] {
        (0..<vocabularySize).map { id in
            isSpecial(id) ? 0 : Int32(truncatingIfNeeded: bytes(of: id)?.count ?? 0)
        }
    }
}
