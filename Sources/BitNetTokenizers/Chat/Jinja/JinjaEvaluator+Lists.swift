extension JinjaEvaluator {
    // MARK: - Filters of lists

    mutating func listFilter(
        _ value: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        switch input.name {
        case "length", "count": return try length(of: value)
        case "first": return try first(of: value)
        case "last", "reverse": return try fromEnd(value, input.name)
        default: break
        }
        let items = try items(of: value)
        try charge(items.count)
        switch input.name {
        case "join": return try joined(items, &input)
        case "list": return try made(items)
        case "sort": return try sorted(items, &input)
        case "unique": return try unique(items, &input)
        case "min", "max": return try extreme(items, &input)
        case "batch": return try batched(items, &input)
        case "slice": return try sliced(items, &input)
        case "groupby": return try grouped(items, &input)
        default:
            let keys = try attributes(items, input.take("attribute"))
            var sum = input.take("start") ?? .integer(0)
            guard sum.string == nil else { throw failure("'sum' of strings") }
            for key in keys { sum = try arithmetic(.add, sum, key) }
            return sum
        }
    }

    private mutating func length(of value: JinjaValue) throws(JinjaFailure) -> JinjaValue {
        switch value {
        case .undefined: return .integer(0)
        case .string(let text), .markup(let text):
            try charge(text.utf8.count)
            return .integer(text.unicodeScalars.count)
        case .list(let list): return .integer(list.items.count)
        case .dictionary(let dictionary), .view(_, let dictionary):
            return .integer(dictionary.members.count)
        case .range(let range): return .integer(range.count)
        case .loop(let number): return .integer(try loop(number).items.count)
        case .iterator:
            throw failure("an iterator has no length; make it a list first, with '|list'")
        default: throw failure("\(value.kind) has no length")
        }
    }

    private mutating func first(of value: JinjaValue) throws(JinjaFailure) -> JinjaValue {
        let none = JinjaValue.undefined("the first of no items")
        if case .iterator(let number) = value { return try next(number) ?? none }
        return try items(of: value).first ?? none
    }

    /// The last item, or the items from the last to the first.
    private mutating func fromEnd(
        _ value: JinjaValue, _ name: String
    ) throws(JinjaFailure) -> JinjaValue {
        if case .iterator = value {
            guard name == "reverse" else {
                throw failure("an iterator has no last item; make it a list first, with '|list'")
            }
            return try made(try items(of: value).reversed())
        }
        if let text = value.string, name == "reverse" {
            return Self.text(
                String(String.UnicodeScalarView(text.unicodeScalars.reversed())), like: value)
        }
        let items = try items(of: value)
        return name == "last"
            ? items.last ?? .undefined("the last of no items")
            : try iterator(over: items.reversed())
    }

    private mutating func joined(
        _ items: [JinjaValue], _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let separator = try text(of: input.take("d") ?? .string(""))
        let items = try attributes(items, input.take("attribute"))
        var result = ""
        for (index, item) in items.enumerated() {
            if index > 0 { result += separator }
            let part = try text(of: item)
            try charge(separator.utf8.count + part.utf8.count)
            result += part
        }
        return .string(result)
    }

    // MARK: - Order

    private mutating func sorted(
        _ items: [JinjaValue], _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let isReversed = takeFlag(&input, "reverse")
        let isCaseSensitive = takeFlag(&input, "case_sensitive")
        let attribute = input.take("attribute") ?? .none
        // Several attributes have commas between them. Lists are compared, as in jinja2: what is
        // equal needs no order.
        let paths = attribute.string?.split(at: ",", limit: -1).map { JinjaValue.string($0) }
        var keys: [JinjaValue] = []
        for item in items {
            var key: [JinjaValue] = []
            for path in paths ?? [attribute] {
                key.append(folded(try self.value(at: path, of: item), isCaseSensitive))
            }
            keys.append(try made(key))
        }
        let order = try sortedIndices(
            keys, isCaseSensitive: isCaseSensitive, isReversed: isReversed)
        return try made(order.map { items[$0] })
    }

    private mutating func unique(
        _ items: [JinjaValue], _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let isCaseSensitive = takeFlag(&input, "case_sensitive")
        let attribute = input.take("attribute") ?? .none
        return try iterator { (evaluator, kept) throws(JinjaFailure) in
            var seen: Set<JinjaKey> = []
            for item in items {
                let value = try evaluator.value(at: attribute, of: item)
                let key = try evaluator.key(evaluator.folded(value, isCaseSensitive))
                if seen.insert(key).inserted { kept.append(item) }
            }
        }
    }

    private mutating func extreme(
        _ items: [JinjaValue], _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let isCaseSensitive = takeFlag(&input, "case_sensitive")
        let keys = try attributes(items, input.take("attribute"))
        var best: Int?
        for index in items.indices {
            guard let other = best else {
                best = index
                continue
            }
            let key = folded(keys[index], isCaseSensitive)
            let bestKey = folded(keys[other], isCaseSensitive)
            let isBetter = try input.name == "min" ? isLess(key, bestKey) : isLess(bestKey, key)
            if isBetter { best = index }
        }
        return best.map { items[$0] } ?? .undefined("the \(input.name) of no items")
    }

    private mutating func grouped(
        _ items: [JinjaValue], _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let attribute = try required(input.take("attribute"), input, "attribute")
        let fallback = input.take("default")
        let isCaseSensitive = takeFlag(&input, "case_sensitive")
        var keys: [JinjaValue] = []
        for item in items { keys.append(try value(at: attribute, of: item, fallback)) }
        let order = try sortedIndices(keys, isCaseSensitive: isCaseSensitive, isReversed: false)
        var groups: [(key: JinjaValue, items: [JinjaValue])] = []
        for index in order {
            if let last = groups.last,
                try areEqual(
                    folded(last.key, isCaseSensitive), folded(keys[index], isCaseSensitive))
            {
                groups[groups.count - 1].items.append(items[index])
            } else {
                groups.append((keys[index], [items[index]]))
            }
        }
        var result: [JinjaValue] = []
        for (key, items) in groups {
            result.append(.list(JinjaList([key, try made(items)], isTuple: true, isGroup: true)))
        }
        return try made(result)
    }

    // MARK: - Parts

    private mutating func batched(
        _ items: [JinjaValue], _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let size = try required(try takeInteger(&input, "linecount"), input, "linecount")
        let fill = input.take("fill_with") ?? .none
        guard size <= 1 << 20 else { throw failure("'batch' of \(size)") }
        return try iterator { (evaluator, batches) throws(JinjaFailure) in
            var batch: [JinjaValue] = []
            for item in items {
                if batch.count == size {
                    batches.append(try evaluator.made(batch))
                    batch = []
                }
                batch.append(item)
            }
            guard !batch.isEmpty else { return }
            if !fill.isNone, batch.count < size {
                batch += repeatElement(fill, count: size - batch.count)
            }
            batches.append(try evaluator.made(batch))
        }
    }

    private mutating func sliced(
        _ items: [JinjaValue], _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let count = try required(try takeInteger(&input, "slices"), input, "slices")
        let fill = input.take("fill_with") ?? .none
        guard count != 0, count <= 1 << 20 else { throw failure("'slice' into \(count)") }
        guard count > 0 else { return try iterator(over: []) }
        let (size, longer) = (items.count / count, items.count % count)
        return try iterator { (evaluator, slices) throws(JinjaFailure) in
            var start = 0
            for index in 0..<count {
                let end = start + size + (index < longer ? 1 : 0)
                var slice = Array(items[start..<end])
                if !fill.isNone, index >= longer { slice.append(fill) }
                slices.append(try evaluator.made(slice))
                start = end
            }
        }
    }

    // MARK: - Attributes

    /// The items, or of each its attribute.
    private mutating func attributes(
        _ items: [JinjaValue], _ attribute: JinjaValue?
    ) throws(JinjaFailure) -> [JinjaValue] {
        guard let attribute, !attribute.isNone else { return items }
        var result: [JinjaValue] = []
        for item in items { result.append(try value(at: attribute, of: item)) }
        return result
    }

    /// What is at `path` in `item`: a name or number, or several with dots between them. What is
    /// undefined on the way is `fallback`, if there is one.
    mutating func value(
        at path: JinjaValue, of item: JinjaValue, _ fallback: JinjaValue? = nil
    ) throws(JinjaFailure) -> JinjaValue {
        if path.isNone { return item }
        var value = item
        for part in path.string?.split(at: ".", limit: -1) ?? [""] {
            let isNumber = part.hasProperty("isdigit") == true
            let key = isNumber ? try index(part) : path.string == nil ? path : .string(part)
            value = try self.item(key, of: value)
            if value.isUndefined, let fallback, !fallback.isNone { value = fallback }
        }
        return value
    }

    private func index(_ part: String) throws(JinjaFailure) -> JinjaValue {
        guard let number = part.pythonInteger(base: 10)?.small else {
            throw failure("'\(part)' is no index")
        }
        return .integer(number)
    }

    func folded(_ value: JinjaValue, _ isCaseSensitive: Bool) -> JinjaValue {
        guard !isCaseSensitive, let text = value.string else { return value }
        return .string(text.pythonLowered)
    }
}
