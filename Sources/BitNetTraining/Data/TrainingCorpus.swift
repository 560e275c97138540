public import Foundation

/// The text that a tokenizer and a model are trained on: documents, in files or in memory.
///
/// Files are UTF-8 text. Documents are separated by `<|endoftext|>`, mostly on a line of its own: a
/// line break before it and one after it (LF or CRLF) are part of the separator. The end of a file
/// ends its last document, and a line break there belongs to the end. Documents that are empty are
/// left out, and so is a byte order mark.
///
/// ```swift
/// let corpus = try TrainingCorpus(files: [URL(fileURLWithPath: "stories.txt")])
/// let tokenizer = try BytePairTrainer(vocabularySize: 2048).train(corpus)
/// ```
///
/// Files are read in pieces each time they are gone through, one document in memory at a time; what
/// comes through a pipe is read once and kept.
public struct TrainingCorpus: Sendable {
    /// What stands between two documents of a file.
    public static let separator = "<|endoftext|>"

    private enum Source: Sendable {
        case files([FileRegion])
        case documents([String])
    }

    private let source: Source
    /// Size in bytes, with separators.
    public let byteCount: Int

    /// The documents of some files, in order. What comes through a pipe is kept in memory.
    ///
    /// - Throws: `BitNetError.fileNotFound`, `.unreadable`, `.malformedFile` for an empty file.
    public init(files: [URL]) throws(BitNetError) {
        var regions: [FileRegion] = []
        for file in files {
            regions.append(try Self.open(file.path))
        }
        self.init(regions)
    }

    private static func open(_ path: String) throws(BitNetError) -> FileRegion {
        let type = try? FileManager.default.attributesOfItem(
            atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path)[.type]
        guard type as? FileAttributeType != .typeCharacterSpecial else {
            throw .unreadable(
                path: path,
                reason: "it is a device; give UTF-8 text in a file or through a pipe")
        }
        do throws(BitNetError) {
            // Text may be as long as it likes: the machine's memory is the limit.
            return try FileRegion(opening: path) { _ in .max }
        } catch {
            guard case .malformedFile = error else { throw error }
            throw .malformedFile(
                path: path,
                detail: "there is no text in it; give UTF-8 text, with \(separator) between "
                    + "documents")
        }
    }

    /// Documents in memory; those that are empty are left out.
    public init(documents: [String]) {
        source = .documents(documents)
        byteCount = documents.reduce(0) { $0 + $1.utf8.count }
    }

    init(_ regions: [FileRegion]) {
        source = .files(regions)
        byteCount = regions.reduce(0) { $0 + $1.count }
    }

    /// Where the text comes from, for messages.
    var name: String {
        switch source {
        case .files(let regions): regions.map(\.path).joined(separator: ", ")
        case .documents: "the documents"
        }
    }

    /// Calls `body` with every document, none of them empty, and how many bytes of the corpus have
    /// been read until then.
    ///
    /// - Throws: `BitNetError.malformedFile` at the first byte that is not UTF-8, or for a document
    ///   of more than 1 GiB; `.unreadable`, also where a file is changed meanwhile; `.cancelled`
    ///   soon after the current task is cancelled; and what `body` throws.
    func forEachDocument(
        _ body: (_ text: String, _ bytesRead: Int) throws(BitNetError) -> Void
    ) throws(BitNetError) {
        let effort = Effort.ofTask()
        func next(_ text: String, _ read: Int) throws(BitNetError) {
            guard !text.isEmpty else { return }
            try effort.spend(text.utf8.count)
            try body(text, read)
        }
        var before = 0
        switch source {
        case .documents(let documents):
            for text in documents {
                before += text.utf8.count
                try next(text, before)
            }
        case .files(let regions):
            for region in regions {
                try region.reading { () throws(BitNetError) in
                    var reader = DocumentReader(path: region.path)
                    try region.forEachPiece { (piece) throws(BitNetError) in
                        let read = before + piece.range.upperBound - region.range.lowerBound
                        try effort.check()
                        try reader.append(piece) { (text) throws(BitNetError) in
                            try next(text, read)
                        }
                    }
                    if let text = try reader.finish() { try next(text, before + region.count) }
                }
                before += region.count
            }
        }
    }
}

/// How far the preparation of training data is.
public struct CorpusProgress: Sendable, Hashable {
    /// What is being done.
    public enum Stage: String, Sendable, Codable {
        /// Words are counted, for a tokenizer; counted in bytes of text.
        case countingWords
        /// Pairs are merged, for a tokenizer; counted in merges.
        case merging
        /// Text becomes tokens; counted in bytes of text.
        case encoding
    }

    /// What is being done.
    public let stage: Stage
    /// How much of it is done, in bytes or merges, up to `total`.
    public let done: Int
    /// How much there is to do.
    public let total: Int

    /// The share that is done, in 0...1.
    public var fraction: Double { total > 0 ? Double(done) / Double(total) : 1 }
}
