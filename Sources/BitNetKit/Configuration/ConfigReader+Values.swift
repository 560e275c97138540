// The value of a key: as the file says it, or as the configuration class has it where it does not.
extension ConfigReader {
    static let layerCount = "num_hidden_layers"
    /// Keys that no layer has for itself.
    private static let ofModel: Set<String> = [
        layerCount, "vocab_size", "max_position_embeddings", "tie_word_embeddings",
    ]

    func invalid(_ key: String, _ detail: String) -> BitNetError {
        .invalidMetadata(path: path, key: key, detail: detail)
    }

    func unsupported(_ key: String, _ value: JSONValue) -> BitNetError {
        .unsupportedFeature(path: path, feature: key, value: value.shown)
    }

    /// What the file has at `key`, null included. A list that has a value for each layer must have
    /// the same for all of them, and stands for that one.
    func value(_ key: String) throws(BitNetError) -> JSONValue? {
        guard let value = config[key], let list = value.array, !Self.ofModel.contains(key) else {
            return config[key]
        }
        let layers = try int(Self.layerCount, default: defaults.layerCount)
        guard list.count == layers else {
            throw invalid(key, "\(list.count) values for \(layers) layers: \(value.shown)")
        }
        if value.single.array != nil { throw unsupported(key, value) }
        return value.single
    }

    func int(_ key: String, default value: Int) throws(BitNetError) -> Int {
        try read(key, "a whole number") { $0.int } ?? value
    }

    func float(_ key: String, default value: Float) throws(BitNetError) -> Float {
        try read(key, "a number") { $0.double.map { Float($0) } } ?? value
    }

    func string(_ key: String) throws(BitNetError) -> String? {
        try read(key, "a string") { $0.string }
    }

    func bool(_ key: String, default value: Bool) throws(BitNetError) -> Bool {
        try read(key, "true or false") { $0.bool } ?? value
    }

    /// The value at `key`, nil where it is absent, or `null` where null stands for another value
    /// than absence does.
    private func read<Value>(
        _ key: String, _ expected: String, _ convert: (JSONValue) -> Value?
    ) throws(BitNetError) -> Value? {
        guard let value = try value(key) else { return nil }
        if value == .null {
            throw invalid(key, "is null, which \(defaults.name) does not take; give \(expected)")
        }
        guard let converted = convert(value) else {
            throw invalid(key, "expected \(expected), found \(value.shown)")
        }
        return converted
    }

    /// The number at `key`: `absent` without it, `none` where it is null and the class takes null.
    func int(_ key: String, absent: Int, none: Int) throws(BitNetError) -> Int {
        if config[key] == .null, defaults.nullable.contains(key) { return none }
        return try int(key, default: absent)
    }

    /// A token id, a list of them, or nothing. What is null is none, what is absent is the class's,
    /// and what is no id is left out: loading warns of it.
    func tokens(_ key: String, default value: Int?) -> [Int] {
        guard config[key] != nil else { return value.map { [$0] } ?? [] }
        return config.specialTokens(key).compactMap(\.id)
    }
}
