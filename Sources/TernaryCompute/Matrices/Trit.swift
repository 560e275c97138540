/// One ternary weight: -1, 0 or +1.
public enum Trit: Int8, Sendable, CaseIterable {
    /// The input is subtracted.
    case minus = -1
    /// The input is left out.
    case zero = 0
    /// The input is added.
    case plus = 1
}
