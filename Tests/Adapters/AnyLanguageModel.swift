// What the adapter in the documentation needs of AnyLanguageModel 0.9: the same declarations, with
// as little behind them as running the adapter takes. No macros, no tools that are called, no images.
// `.ci/examples` builds the adapter with this module in place of the package.

import Foundation

// MARK: - Models

/// Whether a model can be used.
public enum Availability<UnavailableReason> {
    case available
    case unavailable(UnavailableReason)
}

/// Options that only one kind of model knows.
public protocol CustomGenerationOptions: Equatable, Sendable {}

extension Never: CustomGenerationOptions {}

/// What an adapter implements.
public protocol LanguageModel: Sendable {
    associatedtype UnavailableReason
    associatedtype CustomGenerationOptions: AnyLanguageModel.CustomGenerationOptions = Never

    var availability: Availability<UnavailableReason> { get }

    func prewarm(for session: LanguageModelSession, promptPrefix: Prompt?)

    func respond<Content>(
        within session: LanguageModelSession, to prompt: Prompt, generating type: Content.Type,
        includeSchemaInPrompt: Bool, options: GenerationOptions
    ) async throws -> LanguageModelSession.Response<Content> where Content: Generable

    func streamResponse<Content>(
        within session: LanguageModelSession, to prompt: Prompt, generating type: Content.Type,
        includeSchemaInPrompt: Bool, options: GenerationOptions
    ) -> sending LanguageModelSession.ResponseStream<Content> where Content: Generable
}

extension LanguageModel {
    public func prewarm(for session: LanguageModelSession, promptPrefix: Prompt? = nil) {}
}

extension LanguageModel where UnavailableReason == Never {
    public var availability: Availability<UnavailableReason> { .available }
}

/// How a response is made. The sampling mode cannot be read outside of its module, only compared.
public struct GenerationOptions: Sendable, Equatable {
    public struct SamplingMode: Sendable, Equatable {
        enum Mode: Equatable {
            case greedy
            case top(Int, UInt64?)
            case threshold(Double, UInt64?)
        }

        let mode: Mode

        public static var greedy: SamplingMode { .init(mode: .greedy) }
        public static func random(top k: Int, seed: UInt64? = nil) -> SamplingMode {
            .init(mode: .top(k, seed))
        }
        public static func random(
            probabilityThreshold: Double, seed: UInt64? = nil
        ) -> SamplingMode {
            .init(mode: .threshold(probabilityThreshold, seed))
        }
    }

    public var sampling: SamplingMode?
    public var temperature: Double?
    public var maximumResponseTokens: Int?
    private var custom: [ObjectIdentifier: any CustomGenerationOptions] = [:]

    public init(
        sampling: SamplingMode? = nil, temperature: Double? = nil,
        maximumResponseTokens: Int? = nil
    ) {
        self.sampling = sampling
        self.temperature = temperature
        self.maximumResponseTokens = maximumResponseTokens
    }

    public subscript<Model: LanguageModel>(
        custom type: Model.Type
    ) -> Model.CustomGenerationOptions? {
        get { custom[ObjectIdentifier(type)] as? Model.CustomGenerationOptions }
        set { custom[ObjectIdentifier(type)] = newValue }
    }

    public static func == (a: Self, b: Self) -> Bool {
        a.sampling == b.sampling && a.temperature == b.temperature
            && a.maximumResponseTokens == b.maximumResponseTokens
    }
}

// MARK: - Content

/// What can be read from generated content. In the package it inherits a protocol that makes its
/// metatypes sendable, as here.
public protocol ConvertibleFromGeneratedContent: Sendable {
    init(_ content: GeneratedContent) throws
}

/// What can be asked for.
public protocol Generable: ConvertibleFromGeneratedContent {
    associatedtype PartiallyGenerated: ConvertibleFromGeneratedContent = Self
    static var generationSchema: GenerationSchema { get }
    var generatedContent: GeneratedContent { get }
}

extension Generable {
    public func asPartiallyGenerated() -> PartiallyGenerated {
        guard let partial = self as? PartiallyGenerated else {
            preconditionFailure("only types that are their own partial form are here")
        }
        return partial
    }
}

/// A JSON schema that encodes as such.
public struct GenerationSchema: Sendable, Codable {
    private var keywords: [String: String]
    init(_ keywords: [String: String]) { self.keywords = keywords }
    public init(from decoder: any Decoder) throws {
        keywords = try decoder.singleValueContainer().decode([String: String].self)
    }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(keywords)
    }
}

/// Something a model has said, as a value.
public struct GeneratedContent: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        case number(Double)
        case string(String)
    }

    public let kind: Kind

    public init(kind: Kind) { self.kind = kind }
    public init(_ text: String) { kind = .string(text) }

    /// JSON, also such as is not complete yet; what cannot be read is a string.
    public init(json: String) throws { kind = Double(json).map(Kind.number) ?? .string(json) }

    public var jsonString: String {
        switch kind {
        case .number(let number): "\(number)"
        case .string(let text): "\"\(text)\""
        }
    }
}

extension String: Generable {
    public static var generationSchema: GenerationSchema { .init(["type": "string"]) }
    public var generatedContent: GeneratedContent { .init(self) }
    public init(_ content: GeneratedContent) throws {
        guard case .string(let text) = content.kind else { throw MismatchError() }
        self = text
    }
}

extension Int: Generable {
    public static var generationSchema: GenerationSchema { .init(["type": "integer"]) }
    public var generatedContent: GeneratedContent { .init(kind: .number(Double(self))) }
    public init(_ content: GeneratedContent) throws {
        guard case .number(let number) = content.kind, let whole = Int(exactly: number) else {
            throw MismatchError()
        }
        self = whole
    }
}

struct MismatchError: Error {}

/// A question.
public struct Prompt: Sendable, CustomStringConvertible {
    public let description: String
    public init(_ text: String) { description = text }
}

// MARK: - Conversations

/// A function that a model may call.
public protocol Tool: Sendable {
    var name: String { get }
}

/// What was said.
public struct Transcript: Sendable, RandomAccessCollection {
    public struct TextSegment: Sendable {
        public var content: String
    }
    public struct StructuredSegment: Sendable {
        public var content: GeneratedContent
    }
    public struct ImageSegment: Sendable {}
    public enum Segment: Sendable {
        case text(TextSegment)
        case structure(StructuredSegment)
        case image(ImageSegment)
    }
    public struct Instructions: Sendable { public var segments: [Segment] }
    public struct Prompt: Sendable { public var segments: [Segment] }
    public struct Response: Sendable { public var segments: [Segment] }
    public struct ToolCalls: Sendable {}
    public struct ToolOutput: Sendable { public var segments: [Segment] }
    public enum Entry: Sendable {
        case instructions(Instructions)
        case prompt(Prompt)
        case toolCalls(ToolCalls)
        case toolOutput(ToolOutput)
        case response(Response)
    }

    var entries: [Entry] = []

    public init() {}
    public var startIndex: Int { entries.startIndex }
    public var endIndex: Int { entries.endIndex }
    public subscript(index: Int) -> Entry { entries[index] }
}

/// A conversation with a model.
public final class LanguageModelSession: @unchecked Sendable {
    private let lock = NSLock()
    private var said = Transcript()
    private let model: any LanguageModel
    public let tools: [any Tool]

    public var transcript: Transcript { lock.withLock { said } }

    public init(model: any LanguageModel, tools: [any Tool] = [], instructions: String? = nil) {
        self.model = model
        self.tools = tools
        if let instructions {
            said.entries = [.instructions(.init(segments: [.text(.init(content: instructions))]))]
        }
    }

    /// Takes over what was said elsewhere.
    public init(model: any LanguageModel, tools: [any Tool] = [], transcript: Transcript) {
        self.model = model
        self.tools = tools
        said = transcript
    }

    public struct Response<Content>: Sendable where Content: Generable, Content: Sendable {
        public let content: Content
        public let rawContent: GeneratedContent
        public let transcriptEntries: ArraySlice<Transcript.Entry>

        public init(
            content: Content, rawContent: GeneratedContent,
            transcriptEntries: ArraySlice<Transcript.Entry>
        ) {
            self.content = content
            self.rawContent = rawContent
            self.transcriptEntries = transcriptEntries
        }
    }

    public struct ResponseStream<Content>: Sendable, AsyncSequence
    where Content: Generable, Content.PartiallyGenerated: Sendable {
        public struct Snapshot: Sendable {
            public var content: Content.PartiallyGenerated
            public var rawContent: GeneratedContent

            public init(content: Content.PartiallyGenerated, rawContent: GeneratedContent) {
                self.content = content
                self.rawContent = rawContent
            }
        }

        private let stream: AsyncThrowingStream<Snapshot, any Error>

        public init(stream: AsyncThrowingStream<Snapshot, any Error>) { self.stream = stream }

        public func makeAsyncIterator() -> AsyncThrowingStream<Snapshot, any Error>.AsyncIterator {
            stream.makeAsyncIterator()
        }
    }

    /// What a model may say instead of an answer.
    public enum GenerationError: Error {
        public struct Context: Sendable {
            public let debugDescription: String
            public init(debugDescription: String) { self.debugDescription = debugDescription }
        }

        case exceededContextWindowSize(Context)
        case concurrentRequests(Context)
    }

    @discardableResult
    public func respond<Content: Generable>(
        to prompt: String, generating type: Content.Type = String.self,
        includeSchemaInPrompt: Bool = true, options: GenerationOptions = GenerationOptions()
    ) async throws -> Response<Content> {
        append(.prompt(.init(segments: [.text(.init(content: prompt))])))
        let response = try await model.respond(
            within: self, to: Prompt(prompt), generating: type,
            includeSchemaInPrompt: includeSchemaInPrompt, options: options)
        append(.response(.init(segments: [.text(.init(content: text(of: response.rawContent)))])))
        return response
    }

    public func streamResponse<Content: Generable>(
        to prompt: String, generating type: Content.Type = String.self,
        includeSchemaInPrompt: Bool = true, options: GenerationOptions = GenerationOptions()
    ) -> ResponseStream<Content> {
        append(.prompt(.init(segments: [.text(.init(content: prompt))])))
        let upstream = model.streamResponse(
            within: self, to: Prompt(prompt), generating: type,
            includeSchemaInPrompt: includeSchemaInPrompt, options: options)
        return ResponseStream(
            stream: AsyncThrowingStream { continuation in
                let task = Task {
                    do {
                        var last: GeneratedContent?
                        for try await snapshot in upstream {
                            last = snapshot.rawContent
                            continuation.yield(snapshot)
                        }
                        if let last {
                            let said = Transcript.Segment.text(.init(content: self.text(of: last)))
                            self.append(.response(.init(segments: [said])))
                        }
                        continuation.finish()
                    } catch {
                        continuation.finish(throwing: error)
                    }
                }
                continuation.onTermination = { _ in task.cancel() }
            })
    }

    private func append(_ entry: Transcript.Entry) { lock.withLock { said.entries.append(entry) } }

    private func text(of content: GeneratedContent) -> String {
        if case .string(let text) = content.kind { return text }
        return content.jsonString
    }
}
