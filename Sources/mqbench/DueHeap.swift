/// Publishers with something to send, the one that is due first in front.
struct DueHeap {
  private var items: [Publisher] = []

  var first: Publisher? { items.first }
  var isEmpty: Bool { items.isEmpty }

  mutating func insert(_ publisher: Publisher) {
    items.append(publisher)
    var place = items.count - 1
    while place > 0, items[place].due < items[(place - 1) / 2].due {
      items.swapAt(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
  }

  mutating func removeFirst() {
    items.swapAt(0, items.count - 1)
    items.removeLast()
    if !items.isEmpty { firstChanged() }
  }

  /// The first one is due later than before.
  mutating func firstChanged() {
    var place = 0
    while true {
      let left = 2 * place + 1
      guard left < items.count else { return }
      let child = left + 1 < items.count && items[left + 1].due < items[left].due ? left + 1 : left
      if items[place].due <= items[child].due { return }
      items.swapAt(place, child)
      place = child
    }
  }
}
