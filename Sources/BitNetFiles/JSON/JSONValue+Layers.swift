// Values that may be given once for each layer, and values in messages.
extension JSONValue {
    /// The element of an array whose elements are all the same; other values as they are.
    package var single: JSONValue {
        guard let array, let first = array.first else { return self }
        let isSame = array.dropFirst().allSatisfy { value in
            guard let number = value.double, let other = first.double else { return value == first }
            return number == other
        }
        return isSame ? first : self
    }

    /// Whether the value says that something is not there: null, false, 0, nothing.
    package var isOff: Bool {
        switch self {
        case .null: true
        case .bool(let value): !value
        case .int, .double, .decimal: double == 0
        case .notFinite: false
        case .string(let text): text.isEmpty || text == "none"
        case .array(let array): array.allSatisfy(\.isOff)
        case .object(let object): object.members.isEmpty
        }
    }

    /// The value in a message: at most a few words or elements of it.
    package var shown: String {
        let most = 8
        switch self {
        case .null, .bool, .int, .double, .decimal, .notFinite: return kind
        case .string(let text):
            return text.quoted
        case .array(let array):
            let texts = array.prefix(most).map(\.shown)
            return "[" + texts.joined(separator: ", ") + (array.count > most ? ", ...]" : "]")
        case .object(let object):
            let texts = object.members.prefix(most).map { "\($0.key): \($0.value.shown)" }
            let rest = object.members.count > most ? ", ...}" : "}"
            return "{" + texts.joined(separator: ", ") + rest
        }
    }
}
