/// A JSON text as a tree that can be changed: a schema in the making. Members keep their order, and
/// numbers their spelling.
indirect enum JSONTree: Sendable, Hashable {
    /// A string, a number, a truth value or null, as JSON spells it.
    case scalar(String)
    case list([JSONTree])
    case object([Member])

    /// A key and its value.
    struct Member: Sendable, Hashable {
        var key: String
        var value: JSONTree
    }

    static let null = scalar("null")

    static func string(_ text: String) -> JSONTree { .scalar(text.jsonLiteral(isASCII: false)) }

    /// A number; a whole one without a point, as schemas spell it.
    static func number(_ value: Double) -> JSONTree {
        .scalar(Int(exactly: value).map { "\($0)" } ?? "\(value)")
    }

    init(_ value: JSONValue) {
        switch value {
        case .null: self = .null
        case .bool(let value): self = .scalar("\(value)")
        case .int, .double, .decimal: self = .scalar(value.spelling ?? value.kind)
        case .notFinite(let spelling, _): self = .scalar(spelling)
        case .string(let text): self = .string(text)
        case .array(let values): self = .list(values.map { JSONTree($0) })
        case .object(let object):
            self = .object(object.members.map { Member(key: $0.key, value: JSONTree($0.value)) })
        }
    }

    /// - Throws: `BitNetError.grammar` where `text` is no JSON; `what` names it.
    init(parsing text: String, _ what: String) throws(BitNetError) {
        self.init(try JSONValue(text) { .grammar(detail: "\(what) is no JSON: \($0)") })
    }

    /// The tree as JSON without spaces.
    var text: String {
        switch self {
        case .scalar(let text): text
        case .list(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
        case .object(let members):
            "{"
                + members.map { $0.key.jsonLiteral(isASCII: false) + ":" + $0.value.text }
                .joined(separator: ",") + "}"
        }
    }

    var isObject: Bool { if case .object = self { true } else { false } }

    /// The elements of a list.
    var elements: [JSONTree]? { if case .list(let values) = self { values } else { nil } }

    /// The keys of an object.
    var keys: [String] {
        if case .object(let members) = self { members.map(\.key) } else { [] }
    }

    /// The member called `key`, of an object; nil removes it, a new one comes last.
    subscript(key: String) -> JSONTree? {
        get {
            guard case .object(let members) = self else { return nil }
            return members.first { $0.key == key }?.value
        }
        set {
            guard case .object(var members) = self else { return }
            let index = members.firstIndex { $0.key == key }
            switch (index, newValue) {
            case (let index?, let value?): members[index].value = value
            case (let index?, nil): members.remove(at: index)
            case (nil, let value?): members.append(Member(key: key, value: value))
            case (nil, nil): return
            }
            self = .object(members)
        }
    }

    /// The text of a string.
    var string: String? { value?.string }

    /// The number.
    var number: Double? { value?.double }

    /// What a scalar is.
    private var value: JSONValue? {
        guard case .scalar(let text) = self else { return nil }
        return try? JSONValue(parsing: ByteRegion(Array(text.utf8)))
    }
}
