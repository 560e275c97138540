import ArgumentParser
import BitNetKit
import Foundation

struct HexCommand: ParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hex",
        abstract: "Show the bytes of a tensor, and the weights that they are.",
        usage: """
            bitnet hex MODEL TENSOR [--rows '0..<2'] [--values] [--json]
            bitnet hex --bytes "4B 3C" [--json]
            bitnet hex --article [--json]
            """,
        discussion: """
            Of ternary tensors: bytes with their trits below them (-, 0, +, and x for a code that \
            is none), the scale, and the trits as they stand in the rows. Rows are those of the \
            file. --bytes reads loose bytes in every layout; --article shows the examples of the \
            article on ternary models as printed and as they are. A path that begins with a dash \
            goes behind --.
            """)

    @Argument(help: "A GGUF file or a Hugging Face folder.", completion: .file())
    var model: String?

    @Argument(help: "The tensor's name; bitnet inspect --tensors lists them.")
    var tensor: String?

    @Option(
        parsing: .unconditional,
        help: .init("Rows A to B - 1 (default: 0..<1).", valueName: "A..<B"),
        transform: HexCommand.range)
    var rows: Range<Int>?

    @Option(
        parsing: .unconditional,
        help: .init("Read these bytes in every layout.", valueName: "hex"))
    var bytes: String?

    @Flag(help: "Show the article's examples.")
    var article = false

    @Flag(help: "Show the weights of ternary tensors as numbers, too.")
    var values = false

    @OptionGroup
    var i2s: I2SArguments

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup
    var output: OutputArguments

    func validate() throws {
        let isFile = model != nil
        guard [isFile, bytes != nil, article].count(where: { $0 }) == 1 else {
            throw ValidationError("Give a model and a tensor, or --bytes, or --article.")
        }
        guard isFile == (tensor != nil) else {
            throw ValidationError("Give the name of a tensor behind the model.")
        }
        guard isFile || (rows == nil && !values && i2s.order == nil) else {
            throw ValidationError("--rows, --values and --i2s-order are for a model's tensors.")
        }
    }

    func run() throws {
        if let bytes {
            let readings = ByteReadings(of: try ByteReadings.bytes(hexadecimal: bytes))
            return try json ? write(readings) : Terminal.write(readings.shown)
        }
        if article {
            let examples = ArticleExample.all
            guard !json else { return try write(examples) }
            for (index, example) in examples.enumerated() {
                if index > 0 { try Terminal.write("\n") }
                try Terminal.write(example.shown)
            }
            return
        }
        let path = model ?? ""
        let dump: TensorDump
        do {
            dump = try TensorDump.read(
                try Terminal.url(path), tensor: tensor ?? "", rows: rows ?? 0..<1,
                i2sOrder: i2s.order ?? .a)
        } catch {
            throw FileError(path: path, error: error)
        }
        try json ? write(dump) : Terminal.write(dump.shown(values: values))
    }

    private func write(_ value: some Encodable) throws {
        try Terminal.write(try Terminal.json(value) + "\n")
    }

    private static func range(_ text: String) throws -> Range<Int> {
        for separator in ["..<", "..."] {
            guard let found = text.range(of: separator) else { continue }
            guard let first = Int(text[..<found.lowerBound]),
                let last = Int(text[found.upperBound...]), first >= 0, last < Int.max
            else { break }
            let end = separator == "..." ? last + 1 : last
            guard first < end else { break }
            return first..<end
        }
        if let row = Int(text), row >= 0, row < Int.max { return row..<row + 1 }
        throw ValidationError("'\(text)' is no range of rows; write '0..<2', with the quotes")
    }
}
