// References: JSON pointers (RFC 6901) into the schema itself, as the fragment of a URI.
extension JSONSchemaGrammar {
    /// The rule of what `reference` refers to.
    mutating func node(
        of reference: JSONValue, at place: String
    ) throws(BitNetError) -> GrammarNode {
        guard let text = reference.string else {
            throw .grammar(detail: "\(place): $ref is \(reference.kind), not a string")
        }
        guard let path = fragment(of: text) else {
            throw .grammar(
                detail: "\(place): $ref \(text.quoted) is outside this schema; put it into $defs")
        }
        let key = ExactString("#" + path)
        if let name = references[key] { return .rule(name) }
        guard path.isEmpty || path.utf8.first == UInt8(ascii: "/") else {
            throw .grammar(
                detail: "\(place): $ref \(text.quoted) names an $anchor, which is not supported; "
                    + "use a "
                    + "path such as '#/$defs/name'")
        }
        guard let schema = path.utf8.first == UInt8(ascii: "/") ? value(at: path) : nil else {
            throw .grammar(detail: "\(place): $ref \(text.quoted) leads to nothing in this schema")
        }
        let name = "ref-\(references.count)"
        references[key] = name
        pending.append((name, schema, "#" + path))
        return .rule(name)
    }

    /// Keywords of JSON schema that say which values are valid: never a place for definitions alone.
    private static let validating: Set<String> = [
        "$ref", "$dynamicRef", "$recursiveRef", "type", "enum", "const", "allOf", "anyOf", "oneOf",
        "not", "if", "then", "else", "dependentSchemas", "dependentRequired", "dependencies",
        "prefixItems", "items", "additionalItems", "unevaluatedItems", "contains", "minContains",
        "maxContains", "minItems", "maxItems", "uniqueItems", "properties", "patternProperties",
        "additionalProperties", "unevaluatedProperties", "propertyNames", "minProperties",
        "maxProperties", "required", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
        "multipleOf", "minLength", "maxLength", "pattern", "format", "contentEncoding",
        "contentMediaType", "contentSchema",
    ]

    /// Whether a member of the root is there for references, as `components` in OpenAPI.
    func isContainer(_ key: String) -> Bool {
        !Self.validating.contains(key) && containers.contains(ExactString(key))
    }

    /// Finds the members of the root that references lead into.
    mutating func findContainers() throws(BitNetError) {
        var pending = [root]
        while let value = pending.popLast() {
            try effort.spend(1)
            if let array = value.array { pending += array }
            if let object = value.object { pending += object.members.map(\.value) }
            guard let path = value["$ref"]?.string.flatMap({ fragment(of: $0) }) else { continue }
            let parts = path.utf8.split(
                separator: UInt8(ascii: "/"), maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count > 1, let name = Self.unescaped(parts[1]) else { continue }
            containers.insert(ExactString(name))
        }
    }

    /// What follows `#`, decoded; nil where the reference is to another document.
    private func fragment(of reference: String) -> String? {
        let bytes = Array(reference.utf8)
        let base = bytes.prefix { $0 != UInt8(ascii: "#") }
        if !base.isEmpty {
            guard let id = root["$id"]?.string, !id.isEmpty,
                id.utf8.prefix(while: { $0 != UInt8(ascii: "#") }).elementsEqual(base)
            else { return nil }
        }
        var decoded: [UInt8] = []
        var position = base.count + 1
        while position < bytes.count {
            var byte = bytes[position]
            if byte == UInt8(ascii: "%") {
                guard let high = Self.hexDigit(bytes, position + 1),
                    let low = Self.hexDigit(bytes, position + 2)
                else { return nil }
                byte = high << 4 | low
                position += 2
            }
            decoded.append(byte)
            position += 1
        }
        return String(validating: decoded, as: UTF8.self)
    }

    private static func hexDigit(_ bytes: [UInt8], _ position: Int) -> UInt8? {
        guard position < bytes.count else { return nil }
        return Character(Unicode.Scalar(bytes[position])).hexDigitValue.map { UInt8($0) }
    }

    /// The value that a JSON pointer leads to.
    private func value(at pointer: String) -> JSONValue? {
        var value = root
        let parts = pointer.utf8.split(
            separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        for part in parts.dropFirst() {
            guard let name = Self.unescaped(part) else { return nil }
            let next: JSONValue?
            if let elements = value.array {
                next = Self.index(name).flatMap { elements.element($0) }
            } else {
                next = value[name]
            }
            guard let next else { return nil }
            value = next
        }
        return value
    }

    /// The index that a pointer spells: digits without a zero in front.
    private static func index(_ name: String) -> Int? {
        let isDigits = name.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard isDigits, name == "0" || name.utf8.first != 0x30 else { return nil }
        return Int(name)
    }

    /// `~1` is a slash, `~0` a tilde; nil for another escape.
    private static func unescaped(_ part: Substring.UTF8View) -> String? {
        var bytes: [UInt8] = []
        var rest = part[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "~") else {
                bytes.append(byte)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "0"): bytes.append(UInt8(ascii: "~"))
            case UInt8(ascii: "1"): bytes.append(UInt8(ascii: "/"))
            default: return nil
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
