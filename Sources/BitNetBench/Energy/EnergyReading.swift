/// Energy that a piece of work took, as a counter of the hardware says, or why there is no such
/// figure. It is never estimated.
///
/// In JSON either `{"joules": 0.25, "source": "RAPL package-0, dram; ..."}` or
/// `{"unavailable": "..."}`.
public enum EnergyReading: Sendable, Hashable {
    /// Joules above what the machine takes at rest, and which counters have said so.
    case joules(Double, source: String)
    /// No figure, and the reason.
    case unavailable(reason: String)

    /// The figure; nil if there is none.
    public var joules: Double? {
        if case .joules(let value, _) = self { value } else { nil }
    }
}

extension EnergyReading {
    /// The share of one of `count` equal parts of the work.
    func divided(by count: Double) -> EnergyReading {
        guard case .joules(let value, let source) = self else { return self }
        return .joules(value / count, source: source)
    }
}

extension EnergyReading: Codable {
    private enum Key: String, CodingKey {
        case joules, source, unavailable
    }

    /// Reads either form.
    public init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: Key.self)
        if let reason = try members.decodeIfPresent(String.self, forKey: .unavailable) {
            self = .unavailable(reason: reason)
        } else {
            self = .joules(
                try members.decode(Double.self, forKey: .joules),
                source: try members.decode(String.self, forKey: .source))
        }
    }

    /// Writes one of the two forms.
    public func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: Key.self)
        switch self {
        case .joules(let value, let source):
            try members.encode(value, forKey: .joules)
            try members.encode(source, forKey: .source)
        case .unavailable(let reason):
            try members.encode(reason, forKey: .unavailable)
        }
    }
}

extension EnergyReading: CustomStringConvertible {
    /// The figure and its source, or the reason why there is none.
    public var description: String {
        switch self {
        case .joules(let value, let source): "\(value) J (\(source))"
        case .unavailable(let reason): "unavailable: \(reason)"
        }
    }
}
