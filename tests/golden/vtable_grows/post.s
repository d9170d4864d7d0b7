# It has two: objects that live point to the old table.
	.section .data.rel.ro._ZTV1A,"aw"
	.globl	_ZTV1A
	.align	8
	.type	_ZTV1A, @object
	.size	_ZTV1A, 32
_ZTV1A:
	.quad	0
	.quad	0
	.quad	_ZN1A3oneEv
	.quad	_ZN1A3twoEv

	.section .text._ZN1A3oneEv,"ax",@progbits
	.globl	_ZN1A3oneEv
	.type	_ZN1A3oneEv, @function
_ZN1A3oneEv:
	.cfi_startproc
	movl	$1, %eax
	ret
	.cfi_endproc
	.size	_ZN1A3oneEv, .-_ZN1A3oneEv

	.section .text._ZN1A3twoEv,"ax",@progbits
	.globl	_ZN1A3twoEv
	.type	_ZN1A3twoEv, @function
_ZN1A3twoEv:
	.cfi_startproc
	movl	$2, %eax
	ret
	.cfi_endproc
	.size	_ZN1A3twoEv, .-_ZN1A3twoEv
