/// Which numbers a schema allows.
struct NumberBounds {
    /// A bound, and whether it is itself left out.
    struct Bound {
        let value: DecimalNumber
        let isOpen: Bool
    }

    var lower: Bound?
    var upper: Bound?
    /// What numbers are multiples of: `factor / 10^scale`.
    var factor = 1
    var scale = 0

    /// The digits after the point, at most.
    var maximumFraction = 0

    /// The bounds on the digits of numbers of one sign; nil where there is no such number.
    func magnitude(isNegative: Bool) -> NumberBounds? {
        var bounds = self
        let zero = DecimalNumber.zero
        let (near, far) = isNegative ? (upper, lower) : (lower, upper)
        // The bound that is nearer to zero, if zero is not between.
        let isBeyond = near.map { !$0.value.isZero && $0.value.isNegative == isNegative } ?? false
        // Zero has no sign here.
        bounds.lower = isBeyond ? near : Bound(value: zero, isOpen: isNegative)
        if !isBeyond, !isNegative, let near, near.value.isZero { bounds.lower = near }
        bounds.upper = far
        if let far, far.value.isNegative != isNegative, !(far.value.isZero && !isNegative) {
            return nil
        }
        if isNegative, let far, far.value.isZero { return nil }
        return bounds
    }
}

/// Runs through the digits of a number without sign and exponent, and compares it with bounds.
struct DecimalAutomaton {
    /// A place in a number.
    struct State: Hashable {
        /// Digits before the point; none for a zero.
        var whole = 0
        /// Whether the part before the point is a zero.
        var isZero = false
        /// Digits after the point; -1 where there is no point.
        var fraction = -1
        /// What is read compared with as much of the bounds: less, the same, or greater.
        var lower = 0
        var upper = 0
        /// The digits as a number, modulo the factor.
        var residue = 0
    }

    /// The digits, and the point.
    static let classes: [[ClosedRange<UInt32>]] =
        (0x30...0x39).map { [$0...$0] } + [[0x2E...0x2E]]
    private static let point = 10
    /// The most states that are looked at.
    private static let maximumExplored = 64_000
    /// A larger factor needs more states than that for numbers of any useful length.
    private static let maximumUnboundedFactor = 20_000
    /// The most states of an automaton that becomes rules.
    private static let maximumStates = 12_000
    /// Digits of numbers without an upper bound: what every reader can hold.
    private static let usualWhole = 18
    private static let usualDigits = 15
    /// An upper bound with more digits than this is beyond numbers of the usual length.
    private static let longestUpper = 40

    let bounds: NumberBounds
    private let maximumWhole: Int
    private let maximumDigits: Int

    private init(_ bounds: NumberBounds, whole: Int, digits: Int) {
        self.bounds = bounds
        maximumWhole = whole
        maximumDigits = digits
    }

    /// The automaton of the magnitudes in `bounds`; nil where it would be too large.
    static func automaton(
        _ bounds: NumberBounds, _ effort: Effort = Effort()
    ) -> RegularAutomaton? {
        let lower = bounds.lower?.value ?? .zero
        let isWhole = bounds.maximumFraction == 0
        let usual = isWhole ? usualWhole : usualDigits
        var lengths = [max(usual, lower.whole.count + 1)]
        if let upper = bounds.upper?.value, upper.whole.count <= longestUpper {
            lengths = [max(upper.whole.count, 1)]
        } else if bounds.factor > 1 {
            guard bounds.factor <= maximumUnboundedFactor else { return nil }
            // A large factor has many states for each digit: then rather fewer digits.
            lengths += [9, 7].filter { $0 > lower.whole.count }
        }
        let upper = bounds.upper?.value ?? .zero
        let needed = max(
            lower.whole.count + lower.fraction.count,
            min(upper.whole.count, longestUpper) + upper.fraction.count)
        for length in lengths {
            let digits = isWhole ? length : max(usual, needed + 1)
            let walker = DecimalAutomaton(bounds, whole: min(length, digits), digits: digits)
            var automaton = RegularAutomaton(
                classes: classes, start: State(), limit: maximumExplored, effort,
                next: walker.next, isAccepting: walker.isAccepting)
            automaton?.mergeAcyclic()
            if let automaton, automaton.reachable.count <= maximumStates { return automaton }
        }
        return nil
    }

    private func next(_ state: State, _ index: Int) -> State? {
        var state = state
        if index == Self.point {
            guard state.fraction < 0, state.isZero || state.whole > 0, bounds.maximumFraction > 0
            else { return nil }
            state.lower = compareWhole(state.whole, state.lower, bounds.lower)
            state.upper = compareWhole(state.whole, state.upper, bounds.upper)
            state.fraction = 0
            return state
        }
        guard state.whole + max(state.fraction, 0) < maximumDigits else { return nil }
        state.residue = (state.residue * 10 + index) % bounds.factor
        if state.fraction >= 0 {
            guard state.fraction < bounds.maximumFraction else { return nil }
            let place = state.fraction
            state.lower = Self.compare(index, state.lower, bounds.lower?.value.fraction, place)
            state.upper = Self.compare(index, state.upper, bounds.upper?.value.fraction, place)
            state.fraction += 1
            return state
        }
        guard !state.isZero, state.whole < maximumWhole else { return nil }
        if state.whole == 0, index == 0 {
            state.isZero = true
            return state
        }
        let place = state.whole
        state.lower = Self.compare(index, state.lower, bounds.lower?.value.whole, place)
        state.upper = Self.compare(index, state.upper, bounds.upper?.value.whole, place)
        state.whole += 1
        return state
    }

    /// The comparison after one more digit; beyond the digits of the bound there are zeros.
    private static func compare(
        _ digit: Int, _ known: Int, _ digits: [UInt8]?, _ place: Int
    ) -> Int {
        guard known == 0, let digits else { return known }
        let other = place < digits.count ? Int(digits[place]) : 0
        return (digit - other).signum()
    }

    /// The comparison of the parts before the points: that with more digits is greater.
    private func compareWhole(_ count: Int, _ known: Int, _ bound: NumberBounds.Bound?) -> Int {
        guard let bound, count != bound.value.whole.count else { return known }
        return (count - bound.value.whole.count).signum()
    }

    private func isAccepting(_ state: State) -> Bool {
        guard state.isZero || state.whole > 0, state.fraction != 0 else { return false }
        func final(_ known: Int, _ bound: NumberBounds.Bound) -> Int {
            var known = known
            if state.fraction < 0 { known = compareWhole(state.whole, known, bound) }
            let hasMore = bound.value.fraction.count > max(state.fraction, 0)
            return known == 0 && hasMore ? -1 : known
        }
        if let lower = bounds.lower {
            let order = final(state.lower, lower)
            guard order > 0 || order == 0 && !lower.isOpen else { return false }
        }
        if let upper = bounds.upper {
            let order = final(state.upper, upper)
            guard order < 0 || order == 0 && !upper.isOpen else { return false }
        }
        // The number is its digits / 10^fraction.
        var residue = state.residue
        for _ in max(state.fraction, 0)..<max(bounds.scale, max(state.fraction, 0)) {
            residue = residue * 10 % bounds.factor
        }
        return residue == 0
    }
}
