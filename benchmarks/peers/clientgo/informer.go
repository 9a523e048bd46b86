package main

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const protobuf = "application/vnd.kubernetes.protobuf"

// start runs the informer of a kind with handlers, for good, and returns its store.
type start func(handlers cache.ResourceEventHandler) (cache.Store, error)

// prepare makes the client, and with it what starts the informer.
func prepare(kind, url string) (start, error) {
	config := &rest.Config{Host: url, QPS: -1}
	switch kind {
	case "typed":
		config.ContentType = protobuf
		config.AcceptContentTypes = protobuf + ",application/json"
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return nil, err
		}
		informer := informers.NewSharedInformerFactory(client, 0).Core().V1().Pods().Informer()
		return func(handlers cache.ResourceEventHandler) (cache.Store, error) { return begin(informer, handlers) }, nil
	case "dynamic":
		client, err := dynamic.NewForConfig(config)
		if err != nil {
			return nil, err
		}
		pods := corev1.SchemeGroupVersion.WithResource("pods")
		informer := dynamicinformer.NewDynamicSharedInformerFactory(client, 0).ForResource(pods).Informer()
		return func(handlers cache.ResourceEventHandler) (cache.Store, error) { return begin(informer, handlers) }, nil
	}
	return nil, fmt.Errorf("no such informer: %s", kind)
}

func begin(informer cache.SharedIndexInformer, handlers cache.ResourceEventHandler) (cache.Store, error) {
	if _, err := informer.AddEventHandler(handlers); err != nil {
		return nil, err
	}
	go informer.Run(make(chan struct{}))
	return informer.GetStore(), nil
}

// readKey is what most handlers do: they put the key into a queue.
func readKey(obj any) int {
	key, err := cache.MetaNamespaceKeyFunc(obj)
	if err != nil {
		panic(err)
	}
	return len(key)
}

// readObject looks at the status of a pod.
func readObject(obj any) int {
	switch pod := obj.(type) {
	case *corev1.Pod:
		return len(pod.Status.Phase)
	case *unstructured.Unstructured:
		phase, _, err := unstructured.NestedString(pod.Object, "status", "phase")
		if err != nil {
			panic(err)
		}
		return len(phase)
	}
	panic(fmt.Sprintf("no pod: %T", obj))
}
