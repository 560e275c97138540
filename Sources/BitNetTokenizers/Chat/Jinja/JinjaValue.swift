/// A value in a template, as in Python.
enum JinjaValue: Sendable {
    /// What was looked for and not there; it prints as nothing and most uses of it are errors.
    case undefined(String)
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case string(String)
    case list(JinjaList)
    case dictionary(JinjaDictionary)
    /// A namespace by its number in the evaluator, which keeps all: no reference can form a cycle.
    case namespace(Int)
    /// A macro by its number in the evaluator.
    case macro(Int)
    case function(JinjaFunction)
    /// A method that is not called yet.
    indirect case method(of: JinjaValue, name: String)
    case loop(JinjaLoopState)

    /// A list of strings.
    init(_ strings: [String]) { self = .list(JinjaList(strings.map { .string($0) })) }

    /// The values inside values, at most this deep: printing and comparing recurse.
    static let maximumDepth = 64

    /// How deep values are nested in this one.
    var depth: Int {
        switch self {
        case .list(let list): list.depth
        case .dictionary(let dictionary): dictionary.depth
        case .loop(let loop): loop.items.depth + 1
        case .method(let value, _): value.depth + 1
        default: 0
        }
    }

    /// Whether a condition with this value holds.
    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .float(let value): value != 0
        case .string(let text): !text.isEmpty
        case .list(let list): !list.items.isEmpty
        case .dictionary(let dictionary): !dictionary.isEmpty
        case .namespace, .macro, .function, .method, .loop: true
        }
    }

    /// The number, truth values being numbers as in Python.
    var number: JinjaNumber? {
        switch self {
        case .bool(let value): .integer(value ? 1 : 0)
        case .integer(let value): .integer(value)
        case .float(let value): .float(value)
        default: nil
        }
    }

    /// The whole number, truth values included.
    var integer: Int? { if case .integer(let value)? = number { value } else { nil } }

    var string: String? { if case .string(let text) = self { text } else { nil } }

    var isUndefined: Bool { if case .undefined = self { true } else { false } }

    /// What the value is, for messages.
    var kind: String {
        switch self {
        case .undefined(let name): "'\(name)', which is undefined"
        case .none: "none"
        case .bool: "a truth value"
        case .integer, .float: "a number"
        case .string: "a string"
        case .list(let list): list.isTuple ? "a tuple" : "a list"
        case .dictionary: "a dictionary"
        case .namespace: "a namespace"
        case .macro: "a macro"
        case .function, .method: "a function"
        case .loop: "a loop"
        }
    }
}

/// A whole number or a decimal.
enum JinjaNumber {
    case integer(Int)
    case float(Double)

    var double: Double {
        switch self {
        case .integer(let value): Double(value)
        case .float(let value): value
        }
    }
}

/// A list or a tuple.
struct JinjaList: Sendable {
    let items: [JinjaValue]
    let isTuple: Bool
    let depth: Int

    init(_ items: [JinjaValue], isTuple: Bool = false) {
        self.items = items
        self.isTuple = isTuple
        depth = 1 + (items.lazy.map(\.depth).max() ?? 0)
    }
}

/// A key of a dictionary; strings are compared byte by byte.
enum JinjaKey: Sendable, Hashable {
    case string(ExactString)
    case integer(Int)
    case float(Double)
    case none

    /// The key a value is, nil where it cannot be one.
    init?(_ value: JinjaValue) {
        switch value {
        case .string(let text): self = .string(ExactString(text))
        case .none: self = .none
        case .float(let number):
            self = Int(exactly: number).map { .integer($0) } ?? .float(number)
        default:
            guard let number = value.integer else { return nil }
            self = .integer(number)
        }
    }
}

/// A dictionary in the order in which its keys came.
struct JinjaDictionary: Sendable {
    private(set) var members: [(key: JinjaValue, value: JinjaValue)] = []
    private var positions: [JinjaKey: Int] = [:]
    private(set) var depth = 1

    init() {}

    init(_ members: [(String, JinjaValue)]) {
        for (key, value) in members { self[.string(ExactString(key))] = (.string(key), value) }
    }

    var isEmpty: Bool { members.isEmpty }

    /// The value at a key.
    func value(_ key: JinjaKey) -> JinjaValue? { positions[key].map { members[$0].value } }

    /// The value at a string.
    func value(_ key: String) -> JinjaValue? { value(.string(ExactString(key))) }

    /// Sets what a key has; the key keeps the place and the form it first had.
    subscript(key: JinjaKey) -> (key: JinjaValue, value: JinjaValue)? {
        get { positions[key].map { members[$0] } }
        set {
            guard let newValue else { return }
            depth = max(depth, newValue.value.depth + 1)
            if let position = positions[key] {
                members[position].value = newValue.value
            } else {
                positions[key] = members.count
                members.append(newValue)
            }
        }
    }
}

/// What `loop` is inside a loop.
struct JinjaLoopState: Sendable {
    let items: JinjaList
    let index: Int

    /// The loop's attribute `name`; nil where there is none.
    func attribute(_ name: String) -> JinjaValue? {
        let count = items.items.count
        switch name {
        case "index": return .integer(index + 1)
        case "index0": return .integer(index)
        case "revindex": return .integer(count - index)
        case "revindex0": return .integer(count - index - 1)
        case "first": return .bool(index == 0)
        case "last": return .bool(index == count - 1)
        case "length": return .integer(count)
        // Only recursive loops, which are not supported, have more.
        case "depth": return .integer(1)
        case "depth0": return .integer(0)
        case "previtem":
            return index > 0 ? items.items[index - 1] : .undefined("there is no previous item")
        case "nextitem":
            let isLast = index + 1 >= count
            return isLast ? .undefined("there is no next item") : items.items[index + 1]
        default: return nil
        }
    }
}

/// The functions a template finds.
enum JinjaFunction: String, Sendable, CaseIterable {
    case range
    case raise = "raise_exception"
    case now = "strftime_now"
    case namespace
    case dictionary = "dict"
}
