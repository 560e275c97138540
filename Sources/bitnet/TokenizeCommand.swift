import ArgumentParser
import BitNetKit
import Foundation

struct TokenizeCommand: AsyncParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize",
        abstract: "Turn text into token ids, or ids into text, as JSON.",
        usage: "bitnet tokenize [TEXT | --lines FILE] [-m PATH] [--decode] [OPTION ...]",
        discussion: """
            Prints one array of ids for TEXT or standard input, or one array per line for a file \
            with one JSON string per line (--lines). No begin-of-text token is added, except with \
            --chat where the model wants one. With \
            --decode the input is arrays of ids, one per line, and the output JSON strings. A text \
            that begins with a dash goes behind --.
            """)

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init(
            "A model, a vocabulary-only GGUF file, a folder with tokenizer.json or "
                + "tokenizer.model, or one of those files (default: the sample model).",
            valueName: "path"),
        completion: .file())
    var model: String?

    @Argument(help: "The text, or with --decode an array of ids (default: standard input).")
    var text: String?

    @Option(
        parsing: .unconditional,
        help: .init(
            "A file with one JSON string per line, or one array with --decode; - is stdin.",
            valueName: "file"),
        completion: .file())
    var lines: String?

    @Flag(help: "Recognise special tokens in the text.")
    var special = false

    @OptionGroup
    var conversation: ChatPromptArguments

    @Flag(help: "Turn ids into text.")
    var decode = false

    @OptionGroup
    var output: OutputArguments

    @Flag(help: "Changes nothing: this command always prints JSON.")
    var json = false

    private var path: String {
        get throws(BitNetError) {
            if let model { return model }
            return try ModelArgument.sample
        }
    }

    func validate() throws {
        if text != nil && lines != nil {
            throw ValidationError("Give either a text or --lines, not both.")
        }
        if conversation.chat && (decode || special) {
            throw ValidationError("--chat does not go with --decode or --special.")
        }
        if decode && special {
            throw ValidationError("--special is for encoding; --decode prints special tokens.")
        }
    }

    /// Of a text alone, or of a conversation.
    private func ids(_ text: String, _ tokenizer: Tokenizer) throws(BitNetError) -> [Int] {
        guard conversation.chat else { return try tokenizer.encode(text, special: special) }
        let template = try ChatTemplate.load(from: Terminal.url(path), tokenizer: tokenizer)
        return try conversation.tokens(of: text, tokenizer, template)
    }

    func run() async throws {
        let path = try path
        let tokenizer = try await naming(path) { () async throws(BitNetError) in
            try Tokenizer.load(from: Terminal.url(path))
        }
        for warning in tokenizer.warnings { Terminal.warn(warning, about: path) }
        if decode {
            let argument = text.map { Line(text: $0, number: 1, file: "the argument") }
            for line in try argument.map({ [$0] }) ?? Line.all(of: lines ?? "-") {
                try Terminal.write(decoded(line, tokenizer) + "\n")
            }
        } else if let lines {
            for line in try Line.all(of: lines) {
                let text = try line.parse(String.self, "a JSON string")
                try Terminal.write(encoded(text, tokenizer) + "\n")
            }
        } else {
            try Terminal.write(
                encoded(
                    text
                        ?? Terminal.readInput(
                            "waiting for a text on standard input", limit: TextInput.longestFile),
                    tokenizer)
                    + "\n")
        }
    }

    private func encoded(_ text: String, _ tokenizer: Tokenizer) throws(BitNetError) -> String {
        try Terminal.json(try ids(text, tokenizer))
    }

    private func decoded(_ line: Line, _ tokenizer: Tokenizer) throws(BitNetError) -> String {
        let ids = try line.parse([Int].self, "a JSON array of ids")
        let range = 0..<tokenizer.vocabularySize
        if let unknown = ids.first(where: { !range.contains($0) }) {
            throw line.error("token \(unknown) is not in the vocabulary of \(range.count) tokens")
        }
        return try Terminal.json(tokenizer.decode(ids, skippingSpecial: false))
    }
}

/// A line of JSON, and where it stands.
private struct Line {
    let text: String
    let number: Int
    let file: String

    /// The lines of a file; the last one may lack its newline.
    static func all(of path: String) throws(BitNetError) -> [Line] {
        TextInput.lines(of: try Terminal.readText(path, limit: TextInput.longestFile)).enumerated()
            .map { index, line in
                Line(text: line, number: index + 1, file: Terminal.wholePath(path))
            }
    }

    func parse<Value: Decodable>(
        _ type: Value.Type, _ expected: String
    ) throws(BitNetError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(text.utf8))
        } catch {
            throw self.error("is not \(expected)")
        }
    }

    func error(_ detail: String) -> BitNetError {
        .malformedFile(path: file, detail: "line \(number): \(detail)")
    }
}
