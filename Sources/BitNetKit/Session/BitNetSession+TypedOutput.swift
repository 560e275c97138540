extension BitNetSession {
    /// Answers `prompt` with JSON of a type, and returns the value.
    ///
    /// The schema comes from the type (``JSONSchema``); only tokens that keep to it are chosen. The
    /// answer is a message of the conversation like any other; where it cannot be decoded, the session
    /// is as it was before.
    ///
    /// ```swift
    /// struct City: Decodable {
    ///     let name: String
    ///     let inhabitants: Int
    /// }
    ///
    /// let city = try await session.respond(to: "Name a city.", generating: City.self)
    /// print(city.value.name, city.text)
    /// ```
    ///
    /// - Parameters:
    ///   - prompt: what the user says.
    ///   - type: what the answer says; ``JSONSchema/init(derivedFrom:)`` lists what it may be made of.
    ///   - options: how tokens are chosen; a grammar among them is an error.
    ///   - processors: run on the logits of every token of the answer, in this order.
    ///   - includesSchema: whether the schema is put behind the prompt. The grammar does not need it;
    ///     descriptions reach the model that way alone.
    /// - Throws: `BitNetError.unsupportedType` for a type without a schema, `.incompleteResponse` with
    ///   the text where it was cut off, by the limit of tokens for example, `.undecodableResponse`
    ///   where the type refuses what its schema allows, `.cancelled` if the task is cancelled, and
    ///   what `respond(to:options:processors:)` throws.
    public func respond<Value: Decodable & Sendable>(
        to prompt: String, generating type: Value.Type, options: GenerationOptions = .init(),
        processors: [LogitProcessor] = [], includesSchema: Bool = false
    ) async throws(BitNetError) -> TypedResult<Value> {
        let output = try TypedOutput(type, options)
        let request = SessionRequest(
            .prompt(output.prompt(prompt, includesSchema: includesSchema)),
            answer: { text, reason in
                (try? output.value(of: text, reason)).map { _ in ChatMessage(.assistant, text) }
            })
        let stream = ResponseStream(
            session: self, request: request, options: output.options, processors: processors)
        return try output.value(of: try await stream.collect())
    }
}
