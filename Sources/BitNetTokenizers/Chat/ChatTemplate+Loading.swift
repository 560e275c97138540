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
    ///   the template itself is thrown when it renders.
    public static func load(
        from url: URL, tokenizer: Tokenizer
    ) throws(BitNetError) -> ChatTemplate? {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else {
            throw .fileNotFound(path: url.path)
        }
        let origin: Origin
        if isFolder.boolValue {
            origin = try Origin(ModelFolder(path: url.path))
        } else if url.pathExtension == "json" {
            origin = try Origin(ModelFolder(path: url.deletingLastPathComponent().path))
        } else {
            origin = try Origin(try GGUFFile(opening: url.path))
        }
        return ChatTemplate(origin, tokenizer: tokenizer)
    }

    /// The template of a checkpoint's model, if it has one or one is known for it.
    package init?(_ checkpoint: Checkpoint, tokenizer: Tokenizer) throws(BitNetError) {
        switch checkpoint.metadata {
        case .gguf(let file): self.init(try Origin(file), tokenizer: tokenizer)
        case .huggingFace(let folder):
            self.init(try Origin(ModelFolder(path: folder.path)), tokenizer: tokenizer)
        }
    }

    /// What only the placeholder in BitNet b1.58 2B-4T's published GGUF file calls the assistant: the
    /// converter wrote it, and the model was trained with another template.
    package static let placeholderMark = "BITNETAssistant"

    /// The file's own template, or a known one that fits model and vocabulary.
    init?(_ origin: Origin, tokenizer: Tokenizer) {
        let beginOfText = tokenizer.beginOfText.flatMap { tokenizer.text(of: $0) }
        let endOfText = tokenizer.endOfText.flatMap { tokenizer.text(of: $0) }
        let isPlaceholder = origin.text?.containsExactly(Self.placeholderMark) ?? false
        if let text = origin.text, !isPlaceholder {
            self.init(unchecked: text, beginOfText: beginOfText, endOfText: endOfText)
            return
        }
        let known = (isPlaceholder ? [.bitnet] : origin.formats).first { format in
            format.neededTokens.allSatisfy { tokenizer.id(ofSpecial: $0) != nil }
        }
        guard let known else { return nil }
        self.init(known, beginOfText: beginOfText, endOfText: endOfText)
    }

    /// What a model's files say about its template.
    package struct Origin {
        /// The template's text.
        package var text: String?
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
    init(_ file: GGUFFile) throws(BitNetError) {
        let key = "tokenizer.chat_template"
        text = try file.string(key)
        if text == nil { text = try file.string(key + ".default") }
        architecture = try file.string("general.architecture") ?? ""
        let fileName = URL(fileURLWithPath: file.path).lastPathComponent
        name = (try file.string("general.name") ?? "") + " " + fileName
    }

    /// `chat_template.jinja`, else `chat_template` of `tokenizer_config.json`: one template, or
    /// several by name, of which the one for plain conversations is called default.
    package init(_ folder: ModelFolder) throws(BitNetError) {
        name = URL(fileURLWithPath: folder.path).lastPathComponent
        let config = try folder.json("config.json")
        let named = config?["architectures"]?.array?.first?.string
        architecture = named ?? config?["model_type"]?.string ?? ""
        if let file = try folder.file("chat_template.jinja") {
            guard let text = String(validating: file.bytes, as: UTF8.self) else {
                throw .malformedFile(path: file.path, detail: "not UTF-8")
            }
            self.text = text
            return
        }
        let settings = try folder.json("tokenizer_config.json")
        guard let value = settings?["chat_template"], value != .null else { return }
        let chosen = value.array.flatMap { list in
            list.first { $0["name"]?.string == "default" } ?? list.first
        }
        guard let text = value.string ?? chosen?["template"]?.string else {
            throw .invalidMetadata(
                path: folder.join("tokenizer_config.json"), key: "chat_template",
                detail: "expected a string or a list of named ones, found \(value.kind)")
        }
        self.text = text
    }
}
