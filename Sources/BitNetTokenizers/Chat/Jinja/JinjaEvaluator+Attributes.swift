extension JinjaEvaluator {
    /// The attribute that Python's object of a value has; nil where it has none.
    ///
    /// A method that would change its object is undefined, as the immutable sandbox has it, and so
    /// is one with an underscore in front.
    mutating func pythonAttribute(
        _ name: String, of value: JinjaValue
    ) throws(JinjaFailure) -> JinjaValue? {
        switch value {
        case .undefined: throw failure("'\(name)' of \(value.kind)")
        case .namespace(let number): return namespaces[number].value(name)
        case .loop(let number):
            let state = try loop(number)
            return state.attribute(name) ?? method(name, of: value)
        case .macro(let number): return macroAttribute(name, macros[number].definition)
        case .cycler(let number):
            let cycler = cyclers[number]
            switch name {
            case "current": return cycler.items[cycler.position]
            case "pos": return .integer(cycler.position)
            case "items": return try made(cycler.items, isTuple: true)
            default: return method(name, of: value)
            }
        case .joiner(let number):
            return name == "sep"
                ? joiners[number].separator : name == "used" ? .bool(joiners[number].isUsed) : nil
        case .range(let range):
            let bounds = ["start": range.start, "stop": range.stop, "step": range.step]
            return bounds[name].map { .integer($0) } ?? method(name, of: value)
        case .list(let list) where list.isGroup && (name == "grouper" || name == "list"):
            return list.items[name == "grouper" ? 0 : 1]
        default: break
        }
        if let number = value.number, ["real", "numerator"].contains(name) {
            if case .float = number, name == "numerator" { return nil }
            return number.value
        }
        if let number = value.number, ["imag", "denominator"].contains(name) {
            if case .float = number { return name == "imag" ? .float(0) : nil }
            return .integer(name == "imag" ? 0 : 1)
        }
        return method(name, of: value)
    }

    private func method(_ name: String, of value: JinjaValue) -> JinjaValue? {
        guard let methods = Self.methods(of: value), methods.contains(name) else { return nil }
        return Self.changing(value).contains(name)
            ? .undefined("the method '\(name)', which changes \(value.kind)")
            : .method(of: value, name: name)
    }

    private func macroAttribute(_ name: String, _ macro: JinjaMacro) -> JinjaValue? {
        let names = macro.parameters.map(\.name)
        switch name {
        case "name": return .string(macro.name)
        case "arguments": return .list(JinjaList(names.map { .string($0) }, isTuple: true))
        case "catch_varargs": return .bool(macro.extras.contains("varargs"))
        case "catch_kwargs": return .bool(macro.extras.contains("kwargs"))
        case "caller": return .bool(macro.extras.contains("caller") || names.contains("caller"))
        case "explicit_caller": return .bool(names.contains("caller"))
        default: return nil
        }
    }

    /// The methods that Python's object of a value has, supported or not.
    private static func methods(of value: JinjaValue) -> Set<String>? {
        switch value {
        case .string, .markup: stringMethods
        case .list(let list): list.isTuple ? tupleMethods : listMethods
        case .dictionary: dictionaryMethods
        case .view(let view, _): view == .values ? ["mapping"] : ["isdisjoint", "mapping"]
        case .range: tupleMethods
        case .iterator: ["close", "send", "throw"]
        case .bool, .integer, .big: integerMethods
        case .float: floatMethods
        case .loop: ["cycle", "changed"]
        case .cycler: ["next", "reset"]
        default: nil
        }
    }

    /// The methods that the immutable sandbox hides.
    private static func changing(_ value: JinjaValue) -> Set<String> {
        switch value {
        case .list(let list) where !list.isTuple:
            ["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"]
        case .dictionary: ["clear", "pop", "popitem", "setdefault", "update"]
        default: []
        }
    }

    private static let stringMethods: Set<String> = [
        "capitalize", "casefold", "center", "count", "encode", "endswith", "expandtabs", "find",
        "format", "format_map", "index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit",
        "isidentifier", "islower", "isnumeric", "isprintable", "isspace", "istitle", "isupper",
        "join", "ljust", "lower", "lstrip", "maketrans", "partition", "removeprefix",
        "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip",
        "split", "splitlines", "startswith", "strip", "swapcase", "title", "translate", "upper",
        "zfill",
    ]
    private static let tupleMethods: Set<String> = ["count", "index"]
    private static let listMethods: Set<String> = [
        "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse",
        "sort",
    ]
    private static let dictionaryMethods: Set<String> = [
        "clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault",
        "update", "values",
    ]
    private static let integerMethods: Set<String> = [
        "as_integer_ratio", "bit_count", "bit_length", "conjugate", "from_bytes", "to_bytes",
    ]
    private static let floatMethods: Set<String> = [
        "as_integer_ratio", "conjugate", "fromhex", "hex", "is_integer",
    ]
}
