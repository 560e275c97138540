import ArgumentParser
import BitNetKit
import Foundation

/// The options of a command, as the parser knows them.
struct CommandSyntax {
    /// An option with a value, or a flag.
    struct Item {
        /// With their dashes.
        let names: [String]
        /// What messages call the value; nil for a flag.
        let valueName: String?
        /// Whether values follow up to the next option.
        let isList: Bool
        /// What the value is converted to; nil for a flag.
        let valueType: Any.Type?

        /// Whether a value may be anything, the name of an option too.
        var isText: Bool { valueName == "text" || valueName == "options" }
    }

    let items: [Item]

    init(_ command: any ParsableCommand.Type) {
        let arguments = Dump(command).command.arguments ?? []
        // Both lists are in the order of the declarations.
        var types = Self.valueTypes(of: command)[...]
        items = arguments.compactMap { argument in
            let isOption = argument.kind == "option"
            let type = isOption ? types.popFirst() : nil
            guard let names = argument.names else { return nil }
            return Item(
                names: names.map { ($0.kind == "long" ? "--" : "-") + $0.name },
                valueName: isOption ? argument.valueName ?? "value" : nil,
                isList: argument.parsingStrategy == "upToNextOption", valueType: type)
        }
    }

    /// The option or flag called `name`.
    subscript(name: some StringProtocol) -> Item? {
        items.first { $0.names.contains { $0.utf8.elementsEqual(name.utf8) } }
    }

    /// The name in `--name` or `--name=value`.
    static func name(of argument: String) -> Substring {
        let end = argument.utf8.firstIndex(of: UInt8(ascii: "="))
        return argument[..<(end ?? argument.endIndex)]
    }

    private static func valueTypes(of arguments: any ParsableArguments.Type) -> [Any.Type] {
        Mirror(reflecting: arguments.init()).children.flatMap { child -> [Any.Type] in
            switch child.value {
            case let option as any TypedOption: [type(of: option).valueType]
            case let group as any ArgumentGroup: valueTypes(of: type(of: group).arguments)
            default: []
            }
        }
    }
}

private protocol TypedOption {
    static var valueType: Any.Type { get }
}

extension Option: TypedOption {
    fileprivate static var valueType: Any.Type { Value.self }
}

private protocol ArgumentGroup {
    static var arguments: any ParsableArguments.Type { get }
}

extension OptionGroup: ArgumentGroup {
    fileprivate static var arguments: any ParsableArguments.Type { Value.self }
}

/// What the parser writes of a command for other programs.
private struct Dump: Decodable {
    struct Command: Decodable {
        let arguments: [Argument]?
    }

    struct Argument: Decodable {
        struct Name: Decodable {
            let kind: String
            let name: String
        }

        let kind: String
        let names: [Name]?
        let valueName: String?
        let parsingStrategy: String?
    }

    let command: Command

    /// The parser's own text, so that only another version of it can be another form.
    init(_ command: any ParsableCommand.Type) {
        let data = Data(command._dumpHelp().utf8)
        self = (try? JSONDecoder().decode(Dump.self, from: data)) ?? Dump(.init(arguments: nil))
    }

    private init(_ command: Command) { self.command = command }
}

// MARK: - Values

extension CommandSyntax {
    /// What an option takes, where the parser's "is invalid" does not say it; nil for other messages.
    func allowed(by message: String) -> String? {
        let words = "' is invalid for '"
        guard let found = message.range(of: words, options: .backwards) else { return nil }
        let name = message[found.upperBound...].prefix { $0 != " " && $0 != "'" }
        // Where a value is read by a function of ours, its reason follows.
        let rest = message[found.upperBound...].drop { $0 != "'" }.dropFirst()
        guard rest.first != ":" else { return nil }
        let value = message[..<found.lowerBound].dropFirst("The value '".count)
        guard let type = self[name]?.valueType else { return nil }
        switch type {
        case is Int.Type, is Int?.Type, is [Int].Type:
            // Only the length of a number is wrong with one that is all digits.
            let isNumber = value.utf8.allSatisfy { (0x30...0x39).contains($0) } && !value.isEmpty
            return isNumber ? "a whole number up to \(Int.max)" : "a whole number"
        case is UInt64.Type, is UInt64?.Type: return "a whole number in 0...\(UInt64.max)"
        case is Float.Type, is Float?.Type, is Double.Type, is Double?.Type: return "a number"
        case is NumberList.Type, is NumberList?.Type:
            return "whole numbers of 0 or more, separated by commas, such as 1,2,4"
        case is TokenList.Type, is TokenList?.Type: return "token ids separated by commas: 1,2,3"
        case is ShareList.Type, is ShareList?.Type:
            return "shares in 0...1, separated by commas, such as 0,0.5,0.9"
        case is LogitBiasArgument.Type, is [LogitBiasArgument].Type:
            return "a token's id and a number, such as 7=-1.5"
        default: return nil
        }
    }
}
