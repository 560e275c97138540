/// A sentencepiece `tokenizer.model`: what this library reads of it.
///
/// Source: `sentencepiece_model.proto`: pieces (field 1), how they were trained (2) and how texts
/// are normalised (3).
struct SentencePieceModel {
    var pieces = ByteStrings()
    var scores: [Float] = []
    var kinds: [Vocabulary.Kind] = []
    /// The ids the training names; -1 is none.
    var unknown = 0
    var beginOfText = 1
    var endOfText = 2
    var addsDummyPrefix = true
    private var algorithm: UInt64 = 1
    private var normalizerName = ""
    private var hasNormalizerMap = false
    private var removesExtraSpaces = true
    private var escapesSpaces = true
    private var putsSpacesLast = false

    /// Whether `bytes` look like such a file: its first field is a piece.
    static func matches(_ bytes: [UInt8]) -> Bool {
        var reader = ProtobufReader(bytes)
        guard let (field, value) = try? reader.next(), field == 1, case .bytes(let range) = value
        else { return false }
        return (try? Piece(bytes, range)) != nil
    }

    /// Reads a file.
    ///
    /// - Throws: `BitNetError.tokenizer` naming what is malformed, or not byte pair encoding.
    init(_ bytes: [UInt8]) throws(BitNetError) {
        try ByteStrings.check(bytes.count, of: "tokenizer.model")
        var reader = ProtobufReader(bytes)
        while let (field, value) = try reader.next() {
            guard case .bytes(let range) = value else { continue }
            switch field {
            case 1:
                let piece = try Piece(bytes, range)
                pieces.append(bytes[piece.text])
                scores.append(piece.score)
                kinds.append(try piece.kind(pieces))
            case 2: try readTrainer(bytes, range)
            case 3: try readNormalizer(bytes, range)
            default: break
            }
        }
        try check()
    }

    private mutating func readTrainer(_ bytes: [UInt8], _ range: Range<Int>) throws(BitNetError) {
        var reader = ProtobufReader(bytes, range)
        while let (field, value) = try reader.next() {
            guard case .integer(let number) = value else { continue }
            let id = Int(Int32(truncatingIfNeeded: number))
            switch field {
            case 3: algorithm = number
            case 24: putsSpacesLast = number != 0
            case 40: unknown = id
            case 41: beginOfText = id
            case 42: endOfText = id
            default: break
            }
        }
    }

    private mutating func readNormalizer(
        _ bytes: [UInt8], _ range: Range<Int>
    ) throws(BitNetError) {
        var reader = ProtobufReader(bytes, range)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .bytes(let name)):
                normalizerName = String(decoding: bytes[name], as: UTF8.self)
            case (2, .bytes(let map)): hasNormalizerMap = !map.isEmpty
            case (3, .integer(let flag)): addsDummyPrefix = flag != 0
            case (4, .integer(let flag)): removesExtraSpaces = flag != 0
            case (5, .integer(let flag)): escapesSpaces = flag != 0
            default: break
            }
        }
    }

    /// Refuses what would give other tokens than sentencepiece does.
    private func check() throws(BitNetError) {
        guard pieces.count > 0 else {
            throw .tokenizer(detail: "tokenizer.model has no pieces; is it a sentencepiece model?")
        }
        let names: [UInt64: String] = [1: "unigram", 2: "bpe", 3: "word", 4: "char"]
        guard algorithm == 2 else {
            throw .tokenizer(
                detail: "sentencepiece model type '\(names[algorithm] ?? "\(algorithm)")' is not "
                    + "supported; supported: bpe")
        }
        guard !hasNormalizerMap, ["", "identity"].contains(normalizerName) else {
            throw .tokenizer(
                detail: "sentencepiece normalizer \(normalizerName.quoted) is not supported; "
                    + "supported: identity")
        }
        guard !removesExtraSpaces, escapesSpaces, !putsSpacesLast else {
            let what =
                removesExtraSpaces
                ? "remove_extra_whitespaces"
                : putsSpacesLast ? "treat_whitespace_as_suffix" : "escape_whitespaces = false"
            throw .tokenizer(detail: "sentencepiece \(what) is not supported")
        }
        guard (0..<pieces.count).contains(unknown) else {
            throw .tokenizer(
                detail: "sentencepiece unk_id \(unknown) is not below the \(pieces.count) pieces")
        }
    }
}

/// One piece of a model.
private struct Piece {
    var text = 0..<0
    var score: Float = 0
    var type: UInt64 = 1

    init(_ bytes: [UInt8], _ range: Range<Int>) throws(BitNetError) {
        var reader = ProtobufReader(bytes, range)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .bytes(let range)): text = range
            case (2, .float(let number)): score = number
            case (3, .integer(let number)): type = number
            default: throw reader.malformed("field \(field) of a piece is not known")
            }
        }
    }

    /// What the piece, the last of `pieces`, is for.
    func kind(_ pieces: ByteStrings) throws(BitNetError) -> Vocabulary.Kind {
        switch type {
        case 1: return .normal
        case 2, 3: return .control
        case 4: return .userDefined
        case 6: return .byte
        default:
            let id = pieces.count - 1
            throw .tokenizer(
                detail: "sentencepiece piece \(id) '\(pieces.text(id))' has type "
                    + "\(type == 5 ? "unused" : "\(type)"), which is not supported")
        }
    }
}
