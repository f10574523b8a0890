package queue

// ordered is what can stand in a heap.
type ordered[T any] interface{ before(other T) bool }

// minHeap is a binary heap whose first element is before all others. Unlike
// container/heap it keeps values without boxing them: a million waiting tasks are
// one slice.
type minHeap[T ordered[T]] []T

func (h *minHeap[T]) push(v T) {
	*h = append(*h, v)
	a := *h
	for i := len(a) - 1; i > 0; {
		parent := (i - 1) / 2
		if !a[i].before(a[parent]) {
			return
		}
		a[i], a[parent] = a[parent], a[i]
		i = parent
	}
}

// pop takes the first element; the heap must not be empty.
func (h *minHeap[T]) pop() T {
	a := *h
	first, last := a[0], len(a)-1
	a[0] = a[last]
	var zero T
	a[last] = zero
	a = a[:last]
	*h = a
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return first
		}
		if child+1 < last && a[child+1].before(a[child]) {
			child++
		}
		if !a[child].before(a[i]) {
			return first
		}
		a[i], a[child] = a[child], a[i]
		i = child
	}
}
