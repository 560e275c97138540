/// A value in a template, as in Python.
enum JinjaValue: Sendable {
    /// What was looked for and not there; it prints as nothing and most uses of it are errors.
    case undefined(String)
    case none
    case bool(Bool)
    case integer(Int)
    /// A whole number that fits no `Int`.
    case big(JinjaInteger)
    case float(Double)
    case string(String)
    /// A text that `escape` or `safe` made: text that is added to it is escaped.
    case markup(String)
    case list(JinjaList)
    case dictionary(JinjaDictionary)
    case range(JinjaRange)
    /// `keys()`, `values()` or `items()` of a dictionary.
    case view(JinjaView, JinjaDictionary)
    /// Items that are there once, by their number in the evaluator.
    case iterator(Int)
    /// A namespace by its number in the evaluator, which keeps all: no reference can form a cycle.
    case namespace(Int)
    /// A macro by its number in the evaluator.
    case macro(Int)
    case function(JinjaFunction)
    /// A method that is not called yet.
    indirect case method(of: JinjaValue, name: String)
    /// A loop by its number in the evaluator.
    case loop(Int)
    case cycler(Int)
    case joiner(Int)

    /// A list of strings.
    init(_ strings: [String]) { self = .list(JinjaList(strings.map { .string($0) })) }

    /// The values inside values, at most this deep: printing and comparing recurse.
    static let maximumDepth = 64

    /// How deep values are nested in this one.
    var depth: Int {
        switch self {
        case .list(let list): list.depth
        case .dictionary(let dictionary): dictionary.depth
        // As long as a tuple is in it.
        case .view(_, let dictionary): dictionary.depth + 1
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
        case .string(let text), .markup(let text): !text.isEmpty
        case .list(let list): !list.items.isEmpty
        case .dictionary(let dictionary), .view(_, let dictionary): !dictionary.isEmpty
        case .range(let range): range.count > 0
        // An iterator does not know whether it has items.
        case .big, .iterator, .namespace, .macro, .function, .method, .loop, .cycler, .joiner: true
        }
    }

    /// The number, truth values being numbers as in Python.
    var number: JinjaNumber? {
        switch self {
        case .bool(let value): .integer(value ? 1 : 0)
        case .integer(let value): .integer(value)
        case .big(let value): .big(value)
        case .float(let value): .float(value)
        default: nil
        }
    }

    /// The whole number, truth values included, where it fits an `Int`.
    var integer: Int? { if case .integer(let value)? = number { value } else { nil } }

    /// The text of a string.
    var string: String? {
        switch self {
        case .string(let text), .markup(let text): text
        default: nil
        }
    }

    var isUndefined: Bool { if case .undefined = self { true } else { false } }

    var isNone: Bool { if case .none = self { true } else { false } }

    /// What the value is, for messages.
    var kind: String {
        switch self {
        case .undefined(let name): "'\(name)', which is undefined"
        case .none: "none"
        case .bool: "a truth value"
        case .integer, .big, .float: "a number"
        case .string: "a string"
        case .markup: "an escaped text"
        case .list(let list): list.isTuple ? "a tuple" : "a list"
        case .dictionary: "a dictionary"
        case .range: "a range"
        case .view(let view, _): "the \(view.rawValue) of a dictionary"
        case .iterator: "an iterator"
        case .namespace: "a namespace"
        case .macro: "a macro"
        case .function, .method: "a function"
        case .loop: "a loop"
        case .cycler: "a cycler"
        case .joiner: "a joiner"
        }
    }
}

/// A list or a tuple.
struct JinjaList: Sendable {
    let items: [JinjaValue]
    let isTuple: Bool
    /// Whether the tuple is one of `groupby`, whose items have the names `grouper` and `list`.
    let isGroup: Bool
    let depth: Int

    init(_ items: [JinjaValue], isTuple: Bool = false, isGroup: Bool = false) {
        self.items = items
        self.isTuple = isTuple
        self.isGroup = isGroup
        depth = 1 + (items.lazy.map(\.depth).max() ?? 0)
    }
}

/// Python's `range`.
struct JinjaRange: Sendable, Equatable {
    let start: Int
    let stop: Int
    let step: Int

    /// jinja2's sandbox has the same limit.
    static let maximumCount = 100_000

    /// The number at `index`, which is less than `count`; the products that wrap wrap back.
    func number(_ index: Int) -> Int { start &+ index &* step }

    var values: [JinjaValue] { (0..<count).map { .integer(number($0)) } }

    /// How many numbers there are.
    var count: Int {
        guard step > 0 ? start < stop : start > stop else { return 0 }
        return Int((start.distanceMagnitude(to: stop) - 1) / step.magnitude) + 1
    }

    /// Whether there are more numbers than allowed.
    var isTooLong: Bool {
        guard step > 0 ? start < stop : start > stop else { return false }
        return (start.distanceMagnitude(to: stop) - 1) / step.magnitude >= Self.maximumCount
    }
}

extension Int {
    /// How far it is to `other`, which may be further than an `Int` can say.
    fileprivate func distanceMagnitude(to other: Int) -> UInt {
        self < other
            ? UInt(bitPattern: other) &- UInt(bitPattern: self)
            : UInt(bitPattern: self) &- UInt(bitPattern: other)
    }
}

/// What a dictionary shows of itself.
enum JinjaView: String, Sendable {
    case keys, values, items
}

/// A key of a dictionary; strings are compared byte by byte.
enum JinjaKey: Sendable, Hashable {
    case string(ExactString)
    case integer(Int)
    case big(JinjaInteger)
    case float(Double)
    case none
    case tuple([JinjaKey])

    /// The key a value is, nil where it cannot be one.
    init?(_ value: JinjaValue) {
        switch value {
        case .string(let text), .markup(let text): self = .string(ExactString(text))
        case .none: self = .none
        case .big(let number): self = .big(number)
        case .float(let number):
            guard number.isFinite, number == number.rounded() else {
                self = .float(number)
                return
            }
            let whole = JinjaInteger(truncating: number)
            self = whole.small.map { .integer($0) } ?? .big(whole)
        case .list(let list) where list.isTuple:
            var keys: [JinjaKey] = []
            for item in list.items {
                guard let key = JinjaKey(item) else { return nil }
                keys.append(key)
            }
            self = .tuple(keys)
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
            depth = max(depth, newValue.value.depth + 1, newValue.key.depth + 1)
            if let position = positions[key] {
                members[position].value = newValue.value
            } else {
                positions[key] = members.count
                members.append(newValue)
            }
        }
    }

    /// The pair of key and value of every member.
    var pairs: [JinjaValue] {
        members.map { .list(JinjaList([$0.key, $0.value], isTuple: true)) }
    }
}

/// The functions a template finds.
enum JinjaFunction: String, Sendable, CaseIterable {
    case range
    case raise = "raise_exception"
    case now = "strftime_now"
    case namespace
    case dictionary = "dict"
    case cycler
    case joiner
    /// Not supported: its text is random.
    case lipsum
    /// The template itself, whose blocks are not supported.
    case template = "self"
}
