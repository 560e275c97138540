public import Foundation

extension Tokenizer {
    /// Loads the tokenizer of a model: a GGUF file (with or without weights), a Hugging Face folder
    /// with `tokenizer.json` or `tokenizer.model`, or one of those files.
    ///
    /// A `tokenizer.model` is sentencepiece's or tiktoken's, which its content tells.
    ///
    /// - Throws: `BitNetError.tokenizer`, `.fileNotFound`, `.unsupportedFormat`.
    public static func load(from url: URL) throws(BitNetError) -> Tokenizer {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else {
            throw .fileNotFound(path: url.path)
        }
        if isFolder.boolValue { return try Tokenizer(ModelFolder(path: url.path)) }
        let folder = ModelFolder(path: url.deletingLastPathComponent().path)
        if url.pathExtension == "json" {
            return try Tokenizer(folder, file: url.lastPathComponent)
        }
        let opened = try FileRegion(opening: url.path) { (beginning) throws(BitNetError) in
            try mostBytes(of: beginning)
        }
        if try opened.hasGGUFMagic { return try Tokenizer(try GGUFFile(opened)) }
        let bytes = try opened.reading { () throws(BitNetError) in try opened.bytes }
        // A pipe has no name to go by, no folder around it, and cannot be read twice.
        if opened.isInMemory, bytes.first == UInt8(ascii: "{") {
            return try Tokenizer(json: Data(bytes))
        }
        guard SentencePieceModel.matches(bytes) || TiktokenModel.matches(bytes) else {
            throw unknownKind(path: url.path)
        }
        if opened.isInMemory { return try Tokenizer(model: Data(bytes)) }
        return try Tokenizer(folder, file: url.lastPathComponent)
    }

    /// Says of the beginning of what comes through a pipe how many bytes it can have.
    private static func mostBytes(of beginning: ByteRegion) throws(BitNetError) -> Int? {
        if beginning.hasGGUFMagic { return try GGUFFile.mostBytes(of: beginning) }
        let bytes = beginning.beginning(4096)
        guard
            bytes.first == UInt8(ascii: "{") || SentencePieceModel.matches(bytes)
                || TiktokenModel.matches(bytes)
        else { throw unknownKind(path: beginning.path) }
        return mostBytes
    }

    /// What comes through a pipe at most: as much as JSON may have.
    private static let mostBytes = 1 << 30

    private static func unknownKind(path: String) -> BitNetError {
        .unsupportedFormat(
            path: path, detail: "neither a GGUF file nor a tokenizer.json or tokenizer.model",
            remedy: "give a .gguf file, a model folder, or its tokenizer.json")
    }

    /// The tokenizer that belongs to a checkpoint, whose embedding has `rows`.
    package init(_ checkpoint: Checkpoint, rows: Int) throws(BitNetError) {
        switch checkpoint.metadata {
        case .gguf(let file):
            try self.init(file)
        case .huggingFace(let folder):
            try self.init(folder.files, endTokens: folder.endTokens, rows: rows)
        }
    }

    /// Refuses a tokenizer with tokens beyond `vocabularySize`, that of a model; `path` is named in the
    /// error.
    package func check(fits vocabularySize: Int, path: String) throws(BitNetError) {
        guard self.vocabularySize <= vocabularySize else {
            throw .tokenizer(
                detail: "\(path): the tokenizer has \(self.vocabularySize) tokens, "
                    + "the model \(vocabularySize); they do not belong together")
        }
    }

    /// What is odd about the vocabulary, but no error.
    package var warnings: [String] {
        let texts = storage.addedTokens.normalizedTexts
        let empty = texts.keys.filter { texts[$0]?.isEmpty == true }.sorted()
        let unknown = ((addsBeginOfText ? beginOfText : nil).map { [$0] } ?? []) + appendedTokens
        let framing = unknown.filter { $0 >= vocabularySize }.map {
            "the post_processor of tokenizer.json frames texts with token \($0), which is none of the "
                + "\(vocabularySize) in the vocabulary"
        }
        guard let id = empty.first else { return framing }
        let more = empty.count > 1 ? " and \(empty.count - 1) more" : ""
        return framing + [
            "added token \(id) \(vocabulary.addedText(id).quoted)\(more) is never found in a "
                + "text: the "
                + "normalizer leaves nothing of it; set its 'normalized' to false"
        ]
    }

    /// A sentence for every special token of a checkpoint whose id is no token of its tokenizer.
    package func missingTokens(of checkpoint: Checkpoint) -> [String] {
        let named: [SpecialTokenID] =
            switch checkpoint.metadata {
            case .gguf(let file):
                ["bos", "eos", "eot", "eom", "unknown"].compactMap { file.specialToken($0) }
            case .huggingFace(let folder): folder.namedTokens
            }
        var warnings = unreadableFiles(of: checkpoint)
        for token in named where token.token(below: vocabularySize) == nil {
            let warning =
                "\(token.key) \(token.shown) is no token of the \(vocabularySize) in the tokenizer: "
                + "it is left out"
            if !warnings.contains(warning) { warnings.append(warning) }
        }
        return warnings
    }

    /// A sentence for a file that names end tokens, among other things, and that nobody can read.
    private func unreadableFiles(of checkpoint: Checkpoint) -> [String] {
        guard case .huggingFace(let folder) = checkpoint.metadata else { return [] }
        do throws(BitNetError) {
            _ = try folder.files.json(HuggingFaceFolder.generationConfig)
            return []
        } catch {
            return ["\(error); it is left out, and with it the end tokens that it names"]
        }
    }

    /// The tokenizer of a folder, or of one file in it, of a model with `rows` tokens.
    private init(
        _ folder: ModelFolder, file: String? = nil, endTokens: [Int] = [], rows: Int = .max
    ) throws(BitNetError) {
        let names = file.map { [$0] } ?? ["tokenizer.json", "tokenizer.model"]
        guard let name = names.first(where: folder.exists), let file = try folder.file(name) else {
            throw .tokenizer(
                detail: "\(folder.path) has neither tokenizer.json nor tokenizer.model; fetch it "
                    + "from where the model came from")
        }
        func data(_ name: String) throws(BitNetError) -> Data? {
            try folder.file(name).map { Data($0.bytes) }
        }
        let more = try FolderTokens(
            config: try data("tokenizer_config.json"),
            specialTokens: try data("special_tokens_map.json"),
            added: try data("added_tokens.json"))
        if name.hasSuffix(".json") {
            try self.init(
                json: file.bytes, folder: more, endTokens: endTokens, rows: rows)
        } else {
            try self.init(
                model: Data(file.bytes), folder: more, endTokens: endTokens, rows: rows)
        }
    }

    private init(_ file: GGUFFile) throws(BitNetError) {
        guard let tokens = try file.strings("tokenizer.ggml.tokens"),
            let model = try file.string("tokenizer.ggml.model")
        else {
            throw .tokenizer(
                detail: "\(file.path) has no vocabulary (tokenizer.ggml.tokens); convert it again "
                    + "with its tokenizer")
        }
        // What is no token stands for none, as -1 and 2^32 - 1 are meant to.
        func special(_ name: String) -> Int? {
            file.specialToken(name)?.token(below: tokens.count)
        }
        let ends = [special("eot"), special("eom")]
        var vocabulary = GGUFVocabulary(
            model: model, pre: try file.string("tokenizer.ggml.pre"),
            architecture: try file.string("general.architecture") ?? "",
            tokens: try ByteStrings(tokens, named: "tokenizer.ggml.tokens"),
            merges: try file.byteStrings("tokenizer.ggml.merges") ?? .init(),
            tokenTypes: try file.ints("tokenizer.ggml.token_type").map { types in
                types.map { Int32(truncatingIfNeeded: $0) }
            },
            beginOfText: special("bos"), endOfText: special("eos"),
            additionalEnds: ends.compactMap(\.self),
            addsBeginOfText: try file.bool("tokenizer.ggml.add_bos_token"),
            addsEndOfText: try file.bool("tokenizer.ggml.add_eos_token"))
        vocabulary.scores = try file.floats("tokenizer.ggml.scores").map { $0.map { Float($0) } }
        vocabulary.addsSpacePrefix = try file.bool("tokenizer.ggml.add_space_prefix")
        vocabulary.unknown = special("unknown")
        vocabulary.tokenFlags = try file.tokenFlags(of: tokens.count)
        vocabulary.leadingSpace = try file.string(GGUFVocabulary.leadingSpaceKey)
        try self.init(gguf: vocabulary)
    }
}

extension GGUFFile {
    /// The strings of an array, if there is one.
    fileprivate func byteStrings(_ key: String) throws(BitNetError) -> ByteStrings? {
        guard let array = try strings(key) else { return nil }
        return try ByteStrings(array, named: key)
    }

    /// How tokens are found in a text, by id: pairs of an id and flags.
    fileprivate func tokenFlags(of count: Int) throws(BitNetError) -> [Int: Int] {
        guard let pairs = try ints(GGUFVocabulary.tokenFlagsKey) else { return [:] }
        var flags: [Int: Int] = [:]
        for index in stride(from: 0, to: pairs.count, by: 2) {
            guard index + 1 < pairs.count, (0..<count).contains(pairs[index]),
                (0...GGUFVocabulary.mostFlags).contains(pairs[index + 1])
            else {
                throw .tokenizer(
                    detail: "\(path): \(GGUFVocabulary.tokenFlagsKey) is not pairs of a token "
                        + "and its flags at value \(index)")
            }
            flags[pairs[index]] = pairs[index + 1]
        }
        return flags
    }
}

extension ByteStrings {
    /// The strings of a GGUF array, as they are in the file.
    ///
    /// - Throws: `BitNetError.tokenizer` for more than `mostBytes`.
    init(_ array: GGUFStringArray, named key: String) throws(BitNetError) {
        self.init()
        try Self.check(array.region.count, of: key)
        reserveCapacity(array.count, bytes: array.count * 8)
        // One copy of all, and not a view of each: there are some 400,000.
        let bytes = array.region.bytes
        var index = 0
        for _ in array.indices {
            // A 64-bit length and the text; opening the file has checked that they fit.
            let length = bytes[index..<index + 8].reversed().reduce(0) { $0 << 8 | Int($1) }
            append(bytes[index + 8..<index + 8 + length])
            index += 8 + length
        }
    }
}

extension HuggingFaceFolder {
    fileprivate static let generationConfig = "generation_config.json"

    fileprivate static let endToken = "eos_token_id"

    /// The ids of `endToken` that may be tokens.
    fileprivate var endTokens: [Int] {
        namedTokens.filter { $0.key == Self.endToken }.compactMap(\.id)
    }

    /// The special tokens of `config.json` and `generation_config.json`; as in transformers, the
    /// latter is no obstacle if it cannot be read.
    fileprivate var namedTokens: [SpecialTokenID] {
        let generation = (try? files.json(Self.generationConfig)) ?? nil
        return [config, generation].compactMap(\.self).flatMap { file in
            ["bos_token_id", Self.endToken].flatMap { file.specialTokens($0) }
        }
    }
}
