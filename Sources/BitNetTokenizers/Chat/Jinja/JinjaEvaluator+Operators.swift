extension JinjaEvaluator {
    // MARK: - Comparison

    mutating func holds(
        _ comparison: JinjaComparison, _ left: JinjaValue, _ right: JinjaValue
    ) throws(JinjaFailure) -> Bool {
        switch comparison {
        case .equal: return try areEqual(left, right)
        case .notEqual: return !(try areEqual(left, right))
        case .isIn: return try contains(right, left)
        case .isNotIn: return !(try contains(right, left))
        case .less: return try isLess(left, right)
        case .greater: return try isLess(right, left)
        case .lessOrEqual:
            if try isLess(left, right) { return true }
            return try areEqual(left, right)
        case .greaterOrEqual:
            if try isLess(right, left) { return true }
            return try areEqual(left, right)
        }
    }

    mutating func areEqual(_ left: JinjaValue, _ right: JinjaValue) throws(JinjaFailure) -> Bool {
        try charge(1)
        if let a = left.number, let b = right.number {
            return a.compared(to: b)?.isEqual ?? false
        }
        if let a = left.string, let b = right.string {
            try charge(min(a.utf8.count, b.utf8.count))
            return a.isExactly(b)
        }
        switch (left, right) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.list(let a), .list(let b)): return try areEqual(a, b)
        case (.dictionary(let a), .dictionary(let b)): return try areEqual(a, b)
        default: return try areSameObject(left, right)
        }
    }

    private mutating func areEqual(_ a: JinjaList, _ b: JinjaList) throws(JinjaFailure) -> Bool {
        guard a.isTuple == b.isTuple, a.items.count == b.items.count else { return false }
        for (a, b) in zip(a.items, b.items) where !(try areEqual(a, b)) { return false }
        return true
    }

    private mutating func areEqual(
        _ a: JinjaDictionary, _ b: JinjaDictionary
    ) throws(JinjaFailure) -> Bool {
        guard a.members.count == b.members.count else { return false }
        for (name, value) in a.members {
            guard let other = b.value(try key(name)), try areEqual(value, other) else {
                return false
            }
        }
        return true
    }

    /// Equality of values that hold no other values to compare.
    private mutating func areSameObject(
        _ left: JinjaValue, _ right: JinjaValue
    ) throws(JinjaFailure) -> Bool {
        switch (left, right) {
        case (.namespace(let a), .namespace(let b)), (.macro(let a), .macro(let b)),
            (.iterator(let a), .iterator(let b)), (.loop(let a), .loop(let b)),
            (.cycler(let a), .cycler(let b)), (.joiner(let a), .joiner(let b)):
            return a == b
        case (.function(let a), .function(let b)): return a == b
        case (.range(let a), .range(let b)):
            guard a.count == b.count else { return false }
            return a.count == 0
                || a.start == b.start && (a.count == 1 || a.step == b.step)
        case (.view(.keys, let a), .view(.keys, let b)):
            guard a.members.count == b.members.count else { return false }
            for (name, _) in a.members where b.value(try key(name)) == nil { return false }
            return true
        case (.view, .view), (.method, .method):
            throw failure("'==' between \(left.kind) and \(right.kind) is not supported")
        default: return false
        }
    }

    mutating func isLess(_ left: JinjaValue, _ right: JinjaValue) throws(JinjaFailure) -> Bool {
        try charge(1)
        if let a = left.number, let b = right.number {
            return a.compared(to: b)?.isLess ?? false
        }
        if let a = left.string, let b = right.string {
            try charge(min(a.utf8.count, b.utf8.count))
            return a.isBefore(b)
        }
        switch (left, right) {
        case (.list(let a), .list(let b)) where a.isTuple == b.isTuple:
            for (a, b) in zip(a.items, b.items) where !(try areEqual(a, b)) {
                return try isLess(a, b)
            }
            return a.items.count < b.items.count
        default: throw failure("\(left.kind) and \(right.kind) have no order")
        }
    }

    /// Whether `item` is in `collection`.
    mutating func contains(
        _ collection: JinjaValue, _ item: JinjaValue
    ) throws(JinjaFailure) -> Bool {
        switch collection {
        case .string(let text), .markup(let text):
            guard let part = item.string else {
                throw failure("'in' looks for \(item.kind) in a string")
            }
            try charge(text.utf8.count + part.utf8.count)
            return text.containsExactly(part)
        case .dictionary(let dictionary), .view(.keys, let dictionary):
            switch item {
            // Python has a hash of these, but no template a key.
            case .undefined, .range, .namespace, .macro, .function, .method, .iterator, .loop,
                .cycler, .joiner:
                return false
            default: return dictionary.value(try key(item)) != nil
            }
        case .iterator(let number):
            while let other = try next(number) {
                if try areEqual(other, item) { return true }
            }
            return false
        default:
            for other in try items(of: collection) where try areEqual(other, item) { return true }
            return false
        }
    }

    /// What a loop over `value` goes through.
    mutating func items(of value: JinjaValue) throws(JinjaFailure) -> [JinjaValue] {
        switch value {
        case .undefined: return []
        case .list(let list): return list.items
        case .range(let range):
            try charge(range.count * Self.evaluationCost)
            return range.values
        case .dictionary(let dictionary), .view(.keys, let dictionary):
            try charge(dictionary.members.count)
            return dictionary.members.map(\.key)
        case .view(.values, let dictionary):
            try charge(dictionary.members.count)
            return dictionary.members.map(\.value)
        case .view(.items, let dictionary):
            try charge(dictionary.members.count * Self.evaluationCost)
            return dictionary.pairs
        case .iterator(let number): return try rest(number)
        case .string(let text), .markup(let text):
            try charge(text.utf8.count * Self.evaluationCost)
            return text.unicodeScalars.map { .string(String($0)) }
        case .loop: throw failure("a loop over 'loop' is not supported")
        default: throw failure("\(value.kind) has no items")
        }
    }
}
