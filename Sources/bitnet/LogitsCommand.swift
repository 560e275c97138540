import ArgumentParser
import BitNetKit
import Foundation

struct LogitsCommand: AsyncParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logits",
        abstract: "Print a model's logits as JSON.",
        usage: "bitnet logits (--tokens 1,2,3 | -p TEXT) [-m PATH] [OPTION ...]",
        discussion: """
            Prints {"tokens": [...], "logits": [[...], ...]}: the logits after the last token, or \
            after every token with --all-positions. Numbers are float32 and read back exactly; \
            keys and values are cached as float32, so that results can be compared with a \
            reference.

            More options, for the engine: bitnet logits --help-hidden
            """)

    @OptionGroup
    var model: ModelArgument

    @Option(
        parsing: .unconditional,
        help: .init("Token ids, separated by commas; taken as they are.", valueName: "1,2,3"))
    var tokens: TokenList?

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init(
            "A text; a begin-of-text token is added where the model wants one.", valueName: "text"))
    var prompt: String?

    @Flag(help: "Print the logits after every token, not only after the last one.")
    var allPositions = false

    @OptionGroup
    var compute: ComputeArguments

    @OptionGroup
    var output: OutputArguments

    @Flag(help: "Changes nothing: this command always prints JSON.")
    var json = false

    func validate() throws {
        guard (tokens == nil) != (prompt == nil) else {
            throw ValidationError("Give either --tokens or --prompt.")
        }
    }

    func run() async throws {
        let model = try await compute.load(try model.path, needsText: prompt != nil)
        let result =
            if let tokens {
                try await logits(after: tokens.ids, model)
            } else {
                try await model.logits(prompt ?? "", allPositions: allPositions)
            }
        for row in result.logits {
            if let value = row.first(where: { !$0.isFinite }) {
                throw BitNetError.corruptTensor(
                    tensor: "logits", detail: "\(value) cannot be written as JSON")
            }
        }
        let tokens = result.tokens.map(String.init).joined(separator: ",")
        try Terminal.write("{\"tokens\":[\(tokens)],\"logits\":[")
        for (position, row) in result.logits.enumerated() {
            // Swift prints the shortest decimal that reads back as the same float.
            let numbers = row.map(\.description).joined(separator: ",")
            try Terminal.write((position == 0 ? "[" : ",[") + numbers + "]")
        }
        try Terminal.write("]}\n")
    }

    /// The logits after `tokens`, of which the library would speak as of a prompt where they are many.
    private func logits(
        after tokens: [Int], _ model: BitNetModel
    ) async throws(BitNetError) -> SequenceLogits {
        do {
            return try await model.logits(tokens: tokens, allPositions: allPositions)
        } catch .contextWindowExceeded(let limit, let requested) {
            throw .invalidArgument(
                name: "tokens",
                detail: "there are \(requested), the context holds \(limit); give fewer")
        }
    }
}

/// Token ids on the command line: "1,2,3".
struct TokenList: ExpressibleByArgument {
    let ids: [Int]

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        ids = parts.compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
        if ids.count != parts.count { return nil }
    }
}
