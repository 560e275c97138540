public import Foundation

extension Tokenizer {
    /// Loads the tokenizer of a model: a GGUF file (with or without weights), a Hugging Face folder
    /// with `tokenizer.json`, or that file.
    ///
    /// - Throws: `BitNetError.tokenizer`, `.fileNotFound`, `.unsupportedFormat`.
    public static func load(from url: URL) throws(BitNetError) -> Tokenizer {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else {
            throw .fileNotFound(path: url.path)
        }
        if isFolder.boolValue { return try Tokenizer(folder: url.path, endTokens: []) }
        if url.pathExtension == "json" {
            return try Tokenizer(folder: url.deletingLastPathComponent().path, file: url.path)
        }
        let region = ByteRegion(try MappedFile(opening: url.path))
        guard region.hasGGUFMagic else {
            throw .unsupportedFormat(
                path: url.path, detail: "neither a GGUF file nor a tokenizer.json",
                remedy: "give a .gguf file, a model folder, or its tokenizer.json")
        }
        return try Tokenizer(try GGUFFile(region))
    }

    /// The tokenizer that belongs to a checkpoint.
    init(_ checkpoint: Checkpoint) throws(BitNetError) {
        switch checkpoint.metadata {
        case .gguf(let file):
            try self.init(file)
        case .huggingFace(let folder):
            let ends = [folder.config, folder.generationConfig].flatMap { $0.endTokens }
            try self.init(folder: folder.path, endTokens: ends)
        }
    }

    /// Refuses a tokenizer with tokens that the model does not know; `path` is named in the error.
    func check(fits configuration: ModelConfiguration, path: String) throws(BitNetError) {
        guard vocabularySize <= configuration.vocabularySize else {
            throw .tokenizer(
                detail: "\(path): the tokenizer has \(vocabularySize) tokens, "
                    + "the model \(configuration.vocabularySize); they do not belong together")
        }
    }

    private init(
        folder: String, file: String? = nil, endTokens: [Int] = []
    ) throws(BitNetError) {
        let path = file ?? folder + "/tokenizer.json"
        guard FileManager.default.fileExists(atPath: path) else {
            throw .tokenizer(
                detail: "\(folder) has no tokenizer.json; fetch it from where the model came from")
        }
        let configPath = folder + "/tokenizer_config.json"
        let hasConfig = FileManager.default.fileExists(atPath: configPath)
        try self.init(
            json: Data(try MappedFile(opening: path).bytes),
            config: hasConfig ? Data(try MappedFile(opening: configPath).bytes) : nil,
            endTokens: endTokens)
    }

    private init(_ file: GGUFFile) throws(BitNetError) {
        guard let tokens = try file.strings("tokenizer.ggml.tokens"),
            let model = try file.string("tokenizer.ggml.model")
        else {
            throw .tokenizer(
                detail: "\(file.path) has no vocabulary (tokenizer.ggml.tokens); convert it again "
                    + "with its tokenizer")
        }
        let ends = [
            try file.int("tokenizer.ggml.eot_token_id"),
            try file.int("tokenizer.ggml.eom_token_id"),
        ]
        let vocabulary = GGUFVocabulary(
            model: model, pre: try file.string("tokenizer.ggml.pre"),
            architecture: try file.string("general.architecture") ?? "",
            tokens: ByteStrings(tokens),
            merges: try file.strings("tokenizer.ggml.merges").map { ByteStrings($0) } ?? .init(),
            tokenTypes: try file.ints("tokenizer.ggml.token_type").map { types in
                types.map { Int32(truncatingIfNeeded: $0) }
            },
            beginOfText: try file.int("tokenizer.ggml.bos_token_id"),
            endOfText: try file.int("tokenizer.ggml.eos_token_id"),
            additionalEnds: ends.compactMap(\.self),
            addsBeginOfText: try file.bool("tokenizer.ggml.add_bos_token"),
            addsEndOfText: try file.bool("tokenizer.ggml.add_eos_token"))
        try self.init(gguf: vocabulary)
    }
}

extension ByteStrings {
    /// The strings of a GGUF array, as they are in the file.
    init(_ array: GGUFStringArray) {
        self.init()
        reserveCapacity(array.count, bytes: array.count * 8)
        for index in array.indices { array.utf8(at: index).withUnsafeBytes { append($0) } }
    }
}

extension JSONValue? {
    /// `eos_token_id` of a configuration: one id, several, or none.
    fileprivate var endTokens: [Int] {
        guard let value = self?.object?["eos_token_id"] else { return [] }
        return value.array.map { $0.compactMap(\.int) } ?? value.int.map { [$0] } ?? []
    }
}

extension MappedFile {
    fileprivate var bytes: [UInt8] { ByteRegion(self).bytes }
}
