import ArgumentParser
import BitNetKit
import Foundation

// The arguments before the parser sees them.
extension BitNetCommand {
    /// The arguments in a form that the parser understands.
    ///
    /// A value that begins with `---` or `-=` is joined to its option: alone, it would be refused
    /// before it is known that a value is due. The empty value of `--system=` becomes an argument of
    /// its own: joined, it would count as missing, and the next argument as the value.
    static var readableArguments: [String] {
        var readable: [String] = []
        var isText = false
        for argument in CommandLine.arguments.dropFirst() {
            let bytes = argument.utf8
            let looksOdd = bytes.starts(with: "---".utf8) || bytes.starts(with: "-=".utf8)
            if isText {
                readable.append(argument)
            } else if looksOdd, let option = readable.last, takesValue(option) {
                readable[readable.count - 1] = "\(option)=\(argument)"
            } else if bytes.last == UInt8(ascii: "="), takesValue(String(argument.dropLast())) {
                readable += [String(argument.dropLast()), ""]
            } else {
                readable.append(argument)
            }
            isText = isText || argument == "--"
        }
        return readable
    }

    /// Whether `name`, with its dashes, is an option of some command that has a value.
    static func takesValue(_ name: String) -> Bool {
        if ["-m", "-p", "-n", "-t", "-c"].contains(name) { return true }
        guard name.utf8.starts(with: "--".utf8) else { return false }
        var commands: [any ParsableCommand.Type] = [BitNetCommand.self]
        while let command = commands.popLast() {
            commands += command.configuration.subcommands
            let help = helpMessage(for: command, includeHidden: true, columns: 1000)
            let words = help.split(whereSeparator: \.isWhitespace)
            let isHere = zip(words, words.dropFirst()).contains {
                $0.0.utf8.elementsEqual(name.utf8) && $0.1.hasPrefix("<")
            }
            if isHere { return true }
        }
        return false
    }

    /// Swift's own list of arguments has U+FFFD for what is not UTF-8: other text, other files.
    static func checkArguments() {
        for (index, argument) in CommandLine.unsafeArguments.enumerated().dropFirst()
        where String(validatingCString: argument) == nil {
            let shown = String(cString: argument)
            Terminal.fail("argument \(index), '\(shown)', is not UTF-8 text")
            Foundation.exit(ExitCode.validationFailure.rawValue)
        }
    }
}

extension CommandLine {
    /// The arguments as the system gives them, the program's name first.
    fileprivate static var unsafeArguments: [UnsafeMutablePointer<CChar>] {
        UnsafeBufferPointer(start: unsafeArgv, count: Int(argc)).compactMap(\.self)
    }
}
