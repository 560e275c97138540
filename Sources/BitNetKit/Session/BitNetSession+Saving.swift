public import Foundation

extension BitNetSession {
    /// Saves the conversation and everything computed for it to a file, whole or not at all.
    ///
    /// The file belongs to the model: it can be restored with any build of it (kernels, layout and
    /// threads do not matter) and with no other. It holds what was said as readable text, so a new
    /// file can be read by its owner alone; a file that is replaced keeps its mode. Only a saved
    /// session or an empty file is replaced: a model, or anything else, is refused.
    ///
    /// ```swift
    /// try await session.save(to: file)
    /// let later = try await BitNetSession.restore(from: file, model: model)
    /// ```
    ///
    /// - Throws: `BitNetError.unwritable`, `.sessionBusy`.
    public func save(to url: URL) async throws(BitNetError) {
        let messages = messages
        let (model, memory) = (model, memory)
        try await exclusively { () throws(BitNetError) in
            let file = SessionFile(
                fingerprint: model.fingerprint, limit: memory.limit, sliding: memory.sliding,
                precision: memory.precision, messages: messages, dropped: memory.dropped,
                tokens: memory.tokens)
            try SessionFile.checkReplaceable(url.path)
            try file.write(to: url.path, parts: memory.filledParts)
        }
    }

    /// Whether `save(to:)` has written the file: one that is a text or another thing is none.
    /// Not for a pipe, from which what is read is gone.
    package static func isSaved(_ url: URL) -> Bool {
        let attributes = try? FileManager.default.attributesOfItem(
            atPath: url.resolvingSymlinksInPath().path)
        return attributes?[.type] as? FileAttributeType == .typeRegular
            && SessionFile.isThere(url.path)
    }

    /// The session that `save(to:)` has written: the same conversation, context, precision and
    /// window; nothing is computed again.
    ///
    /// - Parameters:
    ///   - url: a saved session.
    ///   - model: the model it was saved with.
    /// - Throws: `BitNetError.malformedFile` for a file that is damaged, cut off or no session,
    ///   `.unsupportedFormat` if it belongs to another model or a later version, `.fileNotFound`,
    ///   `.unreadable`, `.outOfMemory`.
    public static func restore(
        from url: URL, model: BitNetModel
    ) async throws(BitNetError) -> BitNetSession {
        try await model.onQueue {
            Result { () throws(BitNetError) in
                let input = try FileRegion(opening: url.path) { (beginning) throws(BitNetError) in
                    try SessionFile.mostBytes(of: beginning, model: model)
                }
                let (file, parts) = try SessionFile.read(input, fingerprint: model.fingerprint)
                let memory = try input.reading { () throws(BitNetError) in
                    try SessionMemory(file, parts: parts, model: model)
                }
                return BitNetSession(model: model, memory: memory, history: file.messages)
            }
        }.get()
    }
}

extension SessionMemory {
    /// The memory that a file describes, its keys and values read from `parts`.
    fileprivate convenience init(
        _ file: SessionFile, parts: FileRegion, model: BitNetModel
    ) throws(BitNetError) {
        func malformed(_ detail: String) -> BitNetError {
            .malformedFile(path: parts.path, detail: detail)
        }
        let configuration = model.configuration
        guard (2...max(2, configuration.contextLength)).contains(file.limit) else {
            throw malformed(
                "the session has a context of \(file.limit) tokens, the model one of "
                    + "\(configuration.contextLength)")
        }
        guard file.tokens.count <= file.limit else {
            throw malformed(
                "the session has \(file.tokens.count) tokens in a context of \(file.limit)")
        }
        if let token = file.tokens.first(where: { $0 >= configuration.vocabularySize }) {
            throw malformed(
                "the session has token \(token), the model \(configuration.vocabularySize)")
        }
        let context = try InferenceContext(
            model.transformer, contextLength: file.limit, cache: file.precision,
            capacity: max(file.tokens.count, 1))
        try context.restore(position: file.tokens.count)
        var offset = 0
        for part in context.filledParts {
            try part.read(from: try parts.slice(offset..<offset + part.count))
            // Later it would look as if the model's weights were damaged.
            guard part.isFinite else {
                throw malformed(
                    "the session has a key or value that is not a finite number; start a new one")
            }
            offset += part.count
        }
        guard offset == parts.count else {
            throw malformed("\(parts.count - offset) bytes follow the end of the session")
        }
        self.init(context, sliding: file.sliding, tokens: file.tokens, dropped: file.dropped)
    }
}
