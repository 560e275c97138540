/// A loop that runs: what `loop` shows of it.
struct JinjaLoopState {
    let definition: JinjaLoop
    let items: [JinjaValue]
    /// How many recursive loops are around it.
    let depth: Int
    /// The variables around it, in which a recursive loop runs again.
    let scopes: [JinjaScope]
    var index = 0
    /// What `changed` was last asked about.
    var changing: [JinjaValue]?

    /// The loop's attribute `name`; nil where there is none.
    func attribute(_ name: String) -> JinjaValue? {
        let count = items.count
        switch name {
        case "index": return .integer(index + 1)
        case "index0": return .integer(index)
        case "revindex": return .integer(count - index)
        case "revindex0": return .integer(count - index - 1)
        case "first": return .bool(index == 0)
        case "last": return .bool(index == count - 1)
        case "length": return .integer(count)
        case "depth": return .integer(depth + 1)
        case "depth0": return .integer(depth)
        case "previtem":
            return index > 0 ? items[index - 1] : .undefined("there is no previous item")
        case "nextitem":
            return index + 1 < count ? items[index + 1] : .undefined("there is no next item")
        default: return nil
        }
    }
}

extension JinjaEvaluator {
    /// The state of the loop `number`, which ends with the loop.
    func loop(_ number: Int) throws(JinjaFailure) -> JinjaLoopState {
        guard let state = loops[number] else {
            throw failure("'loop' of a loop that has ended is not supported")
        }
        return state
    }

    mutating func execute(
        _ loop: JinjaLoop, over value: JinjaValue, depth: Int = 0
    ) throws(JinjaFailure) {
        let items = try filtered(try items(of: value), loop)
        let number = nextLoop
        nextLoop += 1
        loops[number] = JinjaLoopState(
            definition: loop, items: items, depth: depth, scopes: loop.isRecursive ? scopes : [])
        var hasTurn = false
        for (index, item) in items.enumerated() {
            loops[number]?.index = index
            try charge(Self.evaluationCost)
            let scope = JinjaScope(["loop": .loop(number)])
            let ending = try scoped(scope) { (evaluator) throws(JinjaFailure) in
                try evaluator.assign(loop.target, item)
                return try evaluator.execute(loop.body)
            }
            if ending == .normal { hasTurn = true }
            if ending == .endLoop {
                // How far Python reads ahead depends on what the body asks for.
                if index + 1 < items.count { leave(value) }
                break
            }
        }
        loops[number] = nil
        // As in jinja2, only a turn that came to its end counts.
        if hasTurn { return }
        try scoped { (evaluator) throws(JinjaFailure) in _ = try evaluator.execute(loop.otherwise) }
    }

    /// The items for which the loop's condition holds.
    private mutating func filtered(
        _ items: [JinjaValue], _ loop: JinjaLoop
    ) throws(JinjaFailure) -> [JinjaValue] {
        try charge(items.count * Self.evaluationCost)
        guard let condition = loop.condition else { return items }
        var kept: [JinjaValue] = []
        for item in items {
            let holds = try scoped { (evaluator) throws(JinjaFailure) in
                try evaluator.assign(loop.target, item)
                return try evaluator.evaluate(condition).isTrue
            }
            if holds { kept.append(item) }
        }
        return kept
    }

    /// `loop(items)` in a recursive loop: what its body writes for other items.
    mutating func callLoop(
        _ number: Int, _ input: JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        var input = input
        let state = try loop(number)
        let value = try required(input.take("iterable"), input, "iterable")
        try finish(input)
        guard state.definition.isRecursive else {
            throw failure("only the 'loop' of a recursive loop can be called")
        }
        return try nested { (evaluator) throws(JinjaFailure) in
            try evaluator.capture(in: state.scopes + [JinjaScope()]) {
                (evaluator) throws(JinjaFailure) in
                try evaluator.execute(state.definition, over: value, depth: state.depth + 1)
            }
        }
    }

    /// `loop.cycle(...)` and `loop.changed(...)`.
    mutating func callLoop(
        _ number: Int, method: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let state = try loop(number)
        let values = input.takeRest()
        if method == "cycle" {
            guard !values.isEmpty else { throw failure("'cycle' needs something to cycle through") }
            return values[state.index % values.count]
        }
        if let last = state.changing, last.count == values.count,
            try areEqual(.list(JinjaList(last)), .list(JinjaList(values)))
        {
            return .bool(false)
        }
        loops[number]?.changing = values
        return .bool(true)
    }

    // MARK: - Iterators

    /// Items that `body` makes and that can be gone through once. An error among them is thrown
    /// where it is reached, as in Python.
    mutating func iterator(
        _ body: (inout JinjaEvaluator, inout [JinjaValue]) throws(JinjaFailure) -> Void
    ) throws(JinjaFailure) -> JinjaValue {
        var iterator = JinjaIterator()
        do {
            try body(&self, &iterator.items)
        } catch {
            guard !isExhausted else { throw error }
            iterator.failure = error
        }
        try charge(iterator.items.count * Self.evaluationCost)
        iterators.append(iterator)
        return .iterator(iterators.count - 1)
    }

    mutating func iterator(over items: [JinjaValue]) throws(JinjaFailure) -> JinjaValue {
        try charge(items.count * Self.evaluationCost)
        iterators.append(JinjaIterator(items: items))
        return .iterator(iterators.count - 1)
    }

    /// The next item of an iterator; nil at its end.
    mutating func next(_ number: Int) throws(JinjaFailure) -> JinjaValue? {
        let iterator = iterators[number]
        guard !iterator.isLeft else {
            throw failure("an iterator that a loop left before its end is not supported")
        }
        guard iterator.position < iterator.items.count else {
            iterators[number].failure = nil
            if let failure = iterator.failure { throw failure }
            return nil
        }
        iterators[number].position += 1
        return iterator.items[iterator.position]
    }

    /// All that is left in an iterator.
    mutating func rest(_ number: Int) throws(JinjaFailure) -> [JinjaValue] {
        let position = iterators[number].position
        iterators[number].position = iterators[number].items.count
        _ = try next(number)
        try charge(iterators[number].items.count - position)
        return position == 0
            ? iterators[number].items : Array(iterators[number].items[position...])
    }

    /// Marks `value`, if it is an iterator, as one that a loop left before its end.
    private mutating func leave(_ value: JinjaValue) {
        if case .iterator(let number) = value { iterators[number].isLeft = true }
    }
}

/// Items that can be gone through once.
struct JinjaIterator {
    var items: [JinjaValue] = []
    var position = 0
    /// What is thrown where the items end.
    var failure: JinjaFailure?
    var isLeft = false
}
