public import Foundation

/// How a model wants a conversation written: its chat template, a Jinja text.
///
/// Templates are evaluated as Hugging Face's transformers does (jinja2's immutable sandbox with
/// `trim_blocks`, `lstrip_blocks` and loop controls), in bounded time and memory. A construct that
/// is not supported is an error that shows it.
///
/// ```swift
/// if let template = model.chatTemplate {
///     let text = try template.render([ChatMessage(.user, "Hello!")], addsGenerationPrompt: true)
/// }
/// ```
public struct ChatTemplate: Sendable {
    /// The template's text; empty where the file's cannot be read, which rendering throws.
    public let source: String
    /// What `bos_token` is in the template.
    let beginOfText: String?
    /// What `eos_token` is in the template.
    let endOfText: String?
    /// What other special tokens are in the template, `pad_token` for example.
    var specialTokens: [String: String] = [:]
    /// What the template uses that is not supported, and would fail if it were reached.
    ///
    /// jinja2 looks a filter or test up when it gets there where that is in a branch of an `if` or of
    /// a condition, and refuses the template elsewhere. Here it is always when it gets there: all that
    /// jinja2 renders renders, and whoever loads the template is warned of the rest.
    private let unsupported: BitNetError?
    /// A template that cannot be parsed is an error when it is used: its model can still be.
    private let statements: Result<[JinjaStatement], BitNetError>

    /// The most bytes that a template may have; published ones have some ten thousand.
    static let longestSource = 1 << 20

    /// A template whose errors in `source` are thrown when it renders.
    init(unchecked source: String, beginOfText: String?, endOfText: String?) {
        self.source = source
        self.beginOfText = beginOfText
        self.endOfText = endOfText
        guard source.utf8.count <= Self.longestSource else {
            statements = .failure(
                .chatTemplate(
                    detail: "the template has \(source.utf8.count) bytes, more than the "
                        + "\(Self.longestSource) that are supported"))
            unsupported = nil
            return
        }
        var unsupported: JinjaFailure?
        do throws(JinjaFailure) {
            statements = .success(try JinjaParser.parse(source, unsupported: &unsupported))
        } catch {
            statements = .failure(Self.error(error, in: source))
        }
        self.unsupported = unsupported.map { Self.error($0, in: source) }
    }

    /// A template that its file has but nobody can read: rendering throws `error`.
    init(unusable error: BitNetError) {
        (source, beginOfText, endOfText, unsupported) = ("", nil, nil, nil)
        statements = .failure(error)
    }

    /// Whether it can be rendered at all.
    package var isUsable: Bool { (try? statements.get()) != nil }

    /// What to tell whoever loads the template's model; nil where nothing is wrong.
    package var warning: String? {
        if case .failure(let error) = statements {
            return "\(error); the model can be used, but not for conversations"
        }
        return unsupported.map { "\($0); conversations that need it are refused" }
    }

    /// A template from its Jinja text.
    ///
    /// - Parameters:
    ///   - source: the text, as `chat_template` in `tokenizer_config.json` has it.
    ///   - beginOfText: the text of the begin-of-text token, `bos_token` in the template.
    ///   - endOfText: the text of the end-of-text token, `eos_token` in the template.
    /// - Throws: `BitNetError.chatTemplate` with the line that is malformed or not supported.
    public init(
        _ source: String, beginOfText: String? = nil, endOfText: String? = nil
    ) throws(BitNetError) {
        self.init(unchecked: source, beginOfText: beginOfText, endOfText: endOfText)
        _ = try statements.get()
    }

    /// The text of a conversation, special tokens written out.
    ///
    /// Use `Tokenizer.encode(_:template:addsGenerationPrompt:)` to get tokens: here special tokens
    /// that a message writes out cannot be told from the template's.
    ///
    /// - Parameters:
    ///   - messages: the conversation so far.
    ///   - addsGenerationPrompt: whether the text ends where the model's answer begins.
    /// - Throws: `BitNetError.chatTemplate` with the line, also where the template itself refuses the
    ///   messages, for example because roles do not alternate, and where rendering takes more than
    ///   33,554,432 steps (bytes written and copied, and 16 for every evaluation); `.cancelled` soon
    ///   after the current task is cancelled.
    public func render(
        _ messages: [ChatMessage], addsGenerationPrompt: Bool
    ) throws(BitNetError) -> String {
        try render(messages, addsGenerationPrompt: addsGenerationPrompt, effort: .ofTask())
    }

    /// The text of a conversation in which the model may call tools, as the template writes them. A
    /// template that does not know tools leaves them out, or refuses their messages.
    ///
    /// - Throws: as `render(_:addsGenerationPrompt:)`; also where a schema or arguments are no JSON.
    public func render(
        _ messages: [ChatMessage], tools: [ToolDescription], addsGenerationPrompt: Bool
    ) throws(BitNetError) -> String {
        try render(
            messages, tools: tools, addsGenerationPrompt: addsGenerationPrompt, effort: .ofTask())
    }

    /// The same at a given time, which some templates write into the text.
    public func render(
        _ messages: [ChatMessage], addsGenerationPrompt: Bool, date: Date, timeZone: TimeZone
    ) throws(BitNetError) -> String {
        try render(
            messages, addsGenerationPrompt: addsGenerationPrompt, date: date, timeZone: timeZone,
            effort: .ofTask())
    }

    /// The same, and `effort` says whether the text is still wanted.
    package func render(
        _ messages: [ChatMessage], tools: [ToolDescription] = [], addsGenerationPrompt: Bool,
        date: Date = Date(),
        timeZone: TimeZone = .current, effort: Effort
    ) throws(BitNetError) -> String {
        try effort.check()
        var variables = specialTokens.mapValues { JinjaValue.string($0) }
        variables["messages"] = .list(JinjaList(try ChatMessage.values(of: messages)))
        variables["add_generation_prompt"] = .bool(addsGenerationPrompt)
        variables["tools"] = tools.isEmpty ? JinjaValue.none : try ToolDescription.list(tools)
        variables["documents"] = JinjaValue.none
        variables["bos_token"] = beginOfText.map { .string($0) }
        variables["eos_token"] = endOfText.map { .string($0) }
        let statements = try statements.get()
        do throws(JinjaFailure) {
            return try JinjaEvaluator.render(
                statements, variables: variables, date: date, timeZone: timeZone, effort: effort)
        } catch {
            // An evaluation ends for either reason, and cannot tell which.
            try effort.check()
            throw Self.error(error, in: source)
        }
    }

    private static func error(_ failure: JinjaFailure, in source: String) -> BitNetError {
        // Lines as the lexer counts them.
        let lines = source.replacing("\r\n", with: "\n").replacing("\r", with: "\n")
            .split(at: "\n", limit: -1)
        var detail = "line \(failure.line): \(failure.detail)"
        if lines.indices.contains(failure.line - 1) {
            detail += " in: \(lines[failure.line - 1].trimmed(.both).cut(to: 160))"
        }
        return .chatTemplate(detail: detail)
    }
}
