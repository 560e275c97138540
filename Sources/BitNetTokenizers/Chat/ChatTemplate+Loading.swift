public import Foundation

extension ChatTemplate {
    /// Loads the template of a model: a GGUF file (with or without weights), a Hugging Face folder,
    /// or the `tokenizer.json` in one.
    ///
    /// - Parameters:
    ///   - url: the model, as for `Tokenizer.load(from:)`.
    ///   - tokenizer: the model's tokenizer.
    /// - Returns: the template of the file; that of a known format where the file has none, or the
    ///   placeholder of BitNet b1.58 2B-4T's published GGUF file; nil where none is known.
    /// - Throws: `BitNetError.fileNotFound`, `.malformedFile`, `.invalidMetadata`. What is wrong with
    ///   the template itself, also that it is empty or not text, is thrown when it renders.
    public static func load(
        from url: URL, tokenizer: Tokenizer
    ) throws(BitNetError) -> ChatTemplate? {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else {
            throw .fileNotFound(path: url.path)
        }
        let origin: Origin
        if isFolder.boolValue {
            origin = try Origin(filesIn: ModelFolder(path: url.path))
        } else if url.pathExtension == "json" {
            origin = try Origin(filesIn: ModelFolder(path: url.deletingLastPathComponent().path))
        } else {
            origin = try Origin(try GGUFFile(opening: url.path))
        }
        return ChatTemplate(origin, tokenizer: tokenizer)
    }

    /// The template of a checkpoint's model, if it has one or one is known for it.
    package init?(_ checkpoint: Checkpoint, tokenizer: Tokenizer) throws(BitNetError) {
        switch checkpoint.metadata {
        case .gguf(let file): self.init(try Origin(file), tokenizer: tokenizer)
        case .huggingFace(let folder): self.init(try Origin(folder), tokenizer: tokenizer)
        }
    }

    /// What only the placeholder in BitNet b1.58 2B-4T's published GGUF file calls the assistant: the
    /// converter wrote it, and the model was trained with another template.
    package static let placeholderMark = "BITNETAssistant"

    /// The file's own template, or a known one that fits model and vocabulary.
    init?(_ origin: Origin, tokenizer: Tokenizer) {
        let beginOfText = tokenizer.beginOfText.flatMap { tokenizer.text(of: $0) }
        let endOfText = tokenizer.endOfText.flatMap { tokenizer.text(of: $0) }
        if let problem = origin.problem {
            self.init(unusable: problem)
            return
        }
        if let text = origin.text, !origin.isPlaceholder {
            self.init(unchecked: text, beginOfText: beginOfText, endOfText: endOfText)
            let tokens = origin.specialTokenIDs.compactMapValues { tokenizer.text(of: $0) }
            specialTokens = origin.specialTokens.merging(tokens) { first, _ in first }
            return
        }
        let known = (origin.isPlaceholder ? [.bitnet] : origin.formats).first { format in
            format.neededTokens.allSatisfy { tokenizer.id(ofSpecial: $0) != nil }
        }
        guard let known else { return nil }
        self.init(known, beginOfText: beginOfText, endOfText: endOfText)
    }

    /// What a model's files say about its template.
    package struct Origin {
        /// The template's text.
        package var text: String?
        /// Whether the text is the placeholder that a converter wrote.
        package var isPlaceholder: Bool {
            text?.containsExactly(ChatTemplate.placeholderMark) ?? false
        }
        /// What is wrong with the template that the files have.
        package var problem: BitNetError?
        /// The texts of special tokens, by the names that templates have for them.
        var specialTokens: [String: String] = [:]
        /// The same by the tokens' ids.
        var specialTokenIDs: [String: Int] = [:]
        /// The model's architecture, as the file spells it.
        var architecture = ""
        /// The model's name and its file's.
        var name = ""

        /// The formats a model without a text of its own may have, the most particular first.
        fileprivate var formats: [Format] {
            let name = name.lowercased()
            var formats: [Format] = []
            if name.contains("falcon3") || name.contains("falcon-3") { formats.append(.falcon3) }
            if name.contains("llama-2") || name.contains("llama2"), name.contains("chat") {
                formats.append(.llama2)
            }
            if architecture.lowercased().hasPrefix("bitnet") { formats.append(.bitnet) }
            return formats + [.llama3, .chatML, .gemma]
        }
    }
}

extension ChatTemplate.Origin {
    /// The names of special tokens in templates, apart from those of begin and end of text.
    private static let tokenNames = [
        "unk_token", "pad_token", "sep_token", "cls_token", "mask_token",
    ]

    package init(_ file: GGUFFile) throws(BitNetError) {
        let key = "tokenizer.chat_template"
        do throws(BitNetError) {
            var text = try file.string(key)
            if text == nil { text = try file.string(key + ".default") }
            try take(text, orThrow: .invalidMetadata(path: file.path, key: key, detail: "empty"))
        } catch {
            problem = error
        }
        // What they say only helps to guess a format.
        architecture = (try? file.string("general.architecture")) ?? ""
        let fileName = URL(fileURLWithPath: file.path).lastPathComponent
        name = ((try? file.string("general.name")) ?? "") + " " + fileName
        let names = ["unknown", "padding", "seperator", "cls", "mask"]
        for (name, word) in zip(Self.tokenNames, names) {
            specialTokenIDs[name] = file.specialToken(word)?.id
        }
    }

    /// `chat_template.jinja`, else `chat_template` of `tokenizer_config.json`: one template, or
    /// several by name, of which the one for plain conversations is called default.
    package init(_ folder: HuggingFaceFolder) throws(BitNetError) {
        try self.init(folder.files, config: folder.config)
    }

    /// The same from a folder that need not have weights.
    init(filesIn folder: ModelFolder) throws(BitNetError) {
        try self.init(folder, config: try folder.json("config.json"))
    }

    private init(_ folder: ModelFolder, config: JSONValue?) throws(BitNetError) {
        name = URL(fileURLWithPath: folder.path).lastPathComponent
        let named = config?["architectures"]?.array?.first?.string
        architecture = named ?? config?["model_type"]?.string ?? ""
        let settings = try folder.json("tokenizer_config.json")
        for name in Self.tokenNames {
            let token = settings?[name]
            specialTokens[name] = token?.string ?? token?["content"]?.string
        }
        do throws(BitNetError) {
            if try takeFile(folder) { return }
            guard let value = settings?["chat_template"], value != .null else { return }
            let path = folder.join("tokenizer_config.json")
            func invalid(_ detail: String) -> BitNetError {
                .invalidMetadata(path: path, key: "chat_template", detail: detail)
            }
            let text = try Self.text(of: value, invalid)
            try take(text, orThrow: invalid("empty"))
        } catch {
            problem = error
        }
    }

    /// Takes the text of `chat_template.jinja`; false where there is no such file.
    private mutating func takeFile(_ folder: ModelFolder) throws(BitNetError) -> Bool {
        let name = "chat_template.jinja"
        guard folder.exists(name) else { return false }
        let path = folder.join(name)
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        let empty = BitNetError.malformedFile(path: path, detail: "the chat template is empty")
        if let size = attributes?[.size] as? Int, size == 0,
            attributes?[.type] as? FileAttributeType == .typeRegular
        {
            throw empty
        }
        guard let file = try folder.file(name) else { return false }
        guard let text = String(validating: file.bytes, as: UTF8.self) else {
            throw .malformedFile(path: file.path, detail: "the chat template is not UTF-8")
        }
        try take(text, orThrow: empty)
        return true
    }

    private mutating func take(
        _ text: String?, orThrow empty: BitNetError
    ) throws(BitNetError) {
        guard text?.isEmpty != true else { throw empty }
        self.text = text
    }

    /// The one template in a setting, or the one called default of several.
    private static func text(
        of value: JSONValue, _ invalid: (String) -> BitNetError
    ) throws(BitNetError) -> String {
        if let text = value.string { return text }
        var named: [(name: String, template: JSONValue?)] = []
        if let list = value.array {
            for item in list {
                guard let name = item["name"]?.string else {
                    throw invalid(
                        "expected a list of templates with names, found \(item.kind) in it")
                }
                named.append((name, item["template"]))
            }
        }
        if let object = value.object { named = object.members.map { ($0.key, $0.value) } }
        guard value.array != nil || value.object != nil else {
            throw invalid("expected a string or a list of named ones, found \(value.kind)")
        }
        guard let chosen = named.last(where: { $0.name == "default" }) else {
            let names = named.map(\.name).joined(separator: ", ")
            throw invalid(
                named.isEmpty
                    ? "a list without templates"
                    : "no template is named 'default'; there are: \(names)")
        }
        guard let text = chosen.template?.string else {
            throw invalid("the template 'default' is not a string")
        }
        return text
    }
}
