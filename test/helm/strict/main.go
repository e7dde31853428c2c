// Decodes Kubernetes objects, one JSON a line, with the types of Kubernetes itself, strictly: an unknown or
// doubled field is an error. Kinds that are custom resources have no type here and are counted apart.
package main

import (
	"bufio"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
)

func main() {
	options := json.SerializerOptions{Strict: true}
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, options)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	known, custom, failed := 0, 0, 0
	for lines.Scan() {
		_, kind, err := decoder.Decode(lines.Bytes(), nil, nil)
		switch {
		case err == nil:
			known++
		case runtime.IsNotRegisteredError(err):
			custom++
		default:
			failed++
			fmt.Printf("%v: %v\n", kind, err)
		}
	}
	fmt.Printf("%d known, %d custom, %d failed\n", known, custom, failed)
	if failed > 0 || known == 0 || lines.Err() != nil {
		os.Exit(1)
	}
}
