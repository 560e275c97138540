extension BitNetModel {
    /// Continues `prompt` with JSON of a type, and returns the value.
    ///
    /// The schema comes from the type (``JSONSchema``); only tokens that keep to it are chosen, so
    /// that the response parses whatever the model is like.
    ///
    /// ```swift
    /// struct Pet: Decodable {
    ///     let name: String
    ///     let age: Int
    /// }
    ///
    /// let pet = try await model.generate("A pet as JSON: ", generating: Pet.self)
    /// print(pet.value.name, pet.text)
    /// ```
    ///
    /// - Parameters:
    ///   - prompt: the text to continue.
    ///   - type: what the response says; ``JSONSchema/init(derivedFrom:)`` lists what it may be made
    ///     of.
    ///   - options: how tokens are chosen; a grammar among them is an error.
    ///   - processors: run on the logits of every token of the response, in this order.
    ///   - includesSchema: whether the schema is put behind the prompt. The grammar does not need it;
    ///     descriptions reach the model that way alone.
    /// - Throws: `BitNetError.unsupportedType` for a type without a schema, `.incompleteResponse` with
    ///   the text where it was cut off, by the limit of tokens for example, `.undecodableResponse`
    ///   where the type refuses what its schema allows, `.cancelled` if the task is cancelled, and
    ///   what `generate(_:options:processors:)` throws.
    public func generate<Value: Decodable & Sendable>(
        _ prompt: String, generating type: Value.Type, options: GenerationOptions = .init(),
        processors: [LogitProcessor] = [], includesSchema: Bool = false
    ) async throws(BitNetError) -> TypedResult<Value> {
        let output = try TypedOutput(type, options)
        return try output.value(
            of: try await generate(
                output.prompt(prompt, includesSchema: includesSchema), options: output.options,
                processors: processors))
    }

    /// Answers a conversation with JSON of a type, and returns the value.
    ///
    /// - Parameters:
    ///   - messages: the conversation, as for `generate(_:options:processors:)`.
    ///   - type: a type that can be walked, see <doc:TypedOutput>.
    ///   - options: how tokens are chosen; a grammar among them is an error.
    ///   - processors: run on the logits of every token of the response, in this order.
    ///   - includesSchema: whether the schema is put behind the last message.
    /// - Throws: as for a text, and what the chat template throws.
    public func generate<Value: Decodable & Sendable>(
        _ messages: [ChatMessage], generating type: Value.Type,
        options: GenerationOptions = .init(), processors: [LogitProcessor] = [],
        includesSchema: Bool = false
    ) async throws(BitNetError) -> TypedResult<Value> {
        let output = try TypedOutput(type, options)
        var messages = messages
        if let last = messages.indices.last {
            messages[last].content = output.prompt(
                messages[last].content, includesSchema: includesSchema)
        }
        return try output.value(
            of: try await generate(messages, options: output.options, processors: processors))
    }
}
