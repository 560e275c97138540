/// What a converted file stores how.
public struct ConversionOptions: Sendable, Hashable {
    /// Format of the ternary matrices: I2_S, TQ1_0 or TQ2_0, or the decoded weights as F32, F16, BF16,
    /// Q8_0 or Q6_K.
    public var ternary: ElementType = .i2_s
    /// Format of the embedding and the LM head; nil keeps what the source has, where GGUF can hold
    /// it.
    public var embedding: ElementType?
    /// How the codes of the source's I2_S tensors lie in their bytes. Order A is written.
    public var i2sOrder = I2SOrder.a
    /// Whether weights that are not ternary are rounded by their absolute mean instead of refused.
    /// What that does to them is in the report; a model that was not trained for it is ruined.
    public var allowsLossy = false
    /// Whether the new file may take the place of the one that is read although something of that is
    /// lost: scales that another type rounds, weights that were rounded to trits. Refused otherwise.
    public var replacesSource = false
    /// What the new file calls the model (`general.name`); nil for the source's name.
    public var name: String?

    /// Options that differ from the defaults in what is given.
    public init(
        ternary: ElementType = .i2_s, embedding: ElementType? = nil, i2sOrder: I2SOrder = .a,
        allowsLossy: Bool = false, replacesSource: Bool = false, name: String? = nil
    ) {
        self.ternary = ternary
        self.embedding = embedding
        self.i2sOrder = i2sOrder
        self.allowsLossy = allowsLossy
        self.replacesSource = replacesSource
        self.name = name
    }

    /// Types that ternary matrices can be written in.
    static let ternaryTypes: [ElementType] = [
        .i2_s, .tq1_0, .tq2_0, .f32, .f16, .bf16, .q8_0, .q6_K,
    ]
}

extension ConversionOptions: Codable {
    private enum CodingKeys: String, CodingKey {
        case ternary, embedding, i2sOrder, allowsLossy, replacesSource, name
    }

    /// Reads options of which every part may be absent and then has its default.
    public init(from decoder: any Decoder) throws {
        self.init()
        let container = try decoder.container(keyedBy: CodingKeys.self)
        ternary = try container.decodeIfPresent(ElementType.self, forKey: .ternary) ?? ternary
        embedding = try container.decodeIfPresent(ElementType.self, forKey: .embedding) ?? embedding
        i2sOrder = try container.decodeIfPresent(I2SOrder.self, forKey: .i2sOrder) ?? i2sOrder
        allowsLossy = try container.decodeIfPresent(Bool.self, forKey: .allowsLossy) ?? allowsLossy
        replacesSource =
            try container.decodeIfPresent(Bool.self, forKey: .replacesSource) ?? replacesSource
        name = try container.decodeIfPresent(String.self, forKey: .name) ?? name
    }
}
