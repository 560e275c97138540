// Values that may be given once for each layer, and values in messages.
extension GGUFValue {
    /// The element of an array whose elements are all the same; other values as they are.
    package var single: GGUFValue {
        guard let array else { return self }
        if let first = array.ints?.first, array.ints?.allSatisfy({ $0 == first }) == true {
            return .int64(Int64(first))
        }
        if let first = array.doubles?.first, array.doubles?.allSatisfy({ $0 == first }) == true {
            return .float64(first)
        }
        if let first = array.bools?.first, array.bools?.allSatisfy({ $0 == first }) == true {
            return .bool(first)
        }
        return self
    }

    /// Whether the value says that something is not there: false, 0, nothing.
    package var isOff: Bool {
        switch self {
        case .bool(let value): return !value
        case .float32, .float64: return double == 0
        case .string(let text): return text.isEmpty || text == "none"
        case .bytes: return false
        case .array(let array):
            if array.count == 0 { return true }
            if case .array = single { return false }
            return single.isOff
        case .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64: return int == 0
        }
    }

    /// The value in a message: at most a few words or elements of it.
    package var shown: String {
        switch self {
        case .uint8(let value): return "\(value)"
        case .int8(let value): return "\(value)"
        case .uint16(let value): return "\(value)"
        case .int16(let value): return "\(value)"
        case .uint32(let value): return "\(value)"
        case .int32(let value): return "\(value)"
        case .uint64(let value): return "\(value)"
        case .int64(let value): return "\(value)"
        case .float32(let value): return "\(value)"
        case .float64(let value): return "\(value)"
        case .bool(let value): return "\(value)"
        case .string, .bytes:
            return (repairedText ?? "").quoted
        case .array(let array): return array.shown
        }
    }
}

extension GGUFArray {
    fileprivate var shown: String {
        if let ints { return Self.list(ints) { "\($0)" } }
        if let doubles { return Self.list(doubles) { "\($0)" } }
        if let bools { return Self.list(bools) { "\($0)" } }
        if let strings { return Self.list(strings) { "'\($0)'" } }
        return "an array of \(count) elements"
    }

    private static func list<Elements: Collection>(
        _ elements: Elements, _ text: (Elements.Element) -> String
    ) -> String {
        let most = 8
        let texts = elements.prefix(most).map(text)
        return "[" + texts.joined(separator: ", ") + (elements.count > most ? ", ...]" : "]")
    }
}
